-- Generator: a response that a function writes
--
-- A generator is an io whose bytes a Lua function makes while they are sent. It starts when the client is ready to read;
-- write waits while the client is slow, and sleep lets others run. A million lines cost no more memory than ten.
--
-- Open /count, /count?to=40&pause=0.1 or /count?to=1000000.
--
--     curl -N 'http://127.0.0.1:8080/count?to=40&pause=0.1'
--     curl -s 'http://127.0.0.1:8080/count?to=1000000' | tail -n 1

local httpsrv = require "httpsrv"
local arg = require "arg" -- lib/arg.lua

httpsrv.register("GET", "/count", function(sess)
  local to = arg.number(sess, "to", 10, 0, 1e9)
  local pause = arg.number(sess, "pause", 0, 0, 60)

  sess:response_status_set_std(200, "OK", "text/plain; charset=utf-8")
  sess:response_io(httpsrv.io.generator(function(write)
    for i = 1, to do
      write(i, "\n")
      if pause > 0 then
        httpsrv.sleep(pause)
      end
    end
  end))
end)

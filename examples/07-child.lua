-- Child process: a program's output as the response
--
-- popen starts a program; its input and its output are ios, so the output is streamed like any other. Other requests are
-- served meanwhile. When the client goes away, the program is killed.
--
-- Open /child.
--
--     curl -N http://127.0.0.1:8080/child
--     printf 'pear\napple\nfig\n' | curl -T - http://127.0.0.1:8080/sort

local httpsrv = require "httpsrv"

-- The program and its arguments are a list and no shell reads them, so nothing needs quotes. (This program happens to be one.)
local SLOW = { "sh", "-c", 'for i in 1 2 3 4 5; do echo "line $i of process $$"; sleep 0.5; done' }

httpsrv.register("GET", "/child", function(sess)
  local child = assert(httpsrv.io.popen(SLOW))
  sess:response_status_set_std(200, "OK", "text/plain; charset=utf-8")
  sess:response_io(child.stdout)
end)

-- Both ends: the upload is the program's input, and its output is the response. A task feeds the one while the other is sent.
local function sort(sess)
  local body = sess:request_data_get()
  local child = assert(httpsrv.io.popen({ "sort" }))
  httpsrv.spawn(function()
    for chunk in body:chunks() do
      assert(child.stdin:write(chunk))
    end
    child.stdin:close() -- the end of its input, on which sort begins to print
  end)

  sess:response_status_set_std(200, "OK", "text/plain; charset=utf-8")
  sess:response_io(child.stdout)
end

httpsrv.register("POST", "/sort", sort)
httpsrv.register("PUT", "/sort", sort)

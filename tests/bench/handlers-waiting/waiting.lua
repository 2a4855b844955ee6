-- Handlers that wait, hold memory or make garbage; tests/bench/memory, growth and latency use them.
local cjson = require "cjson"
local httpsrv = require "httpsrv"

local released = httpsrv.event()
local waiting = 0

-- HTTPSRV_BENCH_BALLAST: MiB of Lua data that stay alive, in tables of 1,000 entries.
local ballast = {}
do
  local wanted = (tonumber(os.getenv("HTTPSRV_BENCH_BALLAST")) or 0) * 1048576
  local start = collectgarbage("count") * 1024
  while collectgarbage("count") * 1024 - start < wanted do
    local rows = {}
    for i = 1, 1000 do
      rows[i] = { id = i, text = "row " .. #ballast .. "." .. i }
    end
    ballast[#ballast + 1] = rows
  end
end

local function answer(sess, text)
  sess:response_status_set_std(200, "OK", "text/plain")
  sess:response_append(text)
end

httpsrv.register("GET", "/hello", function(sess)
  answer(sess, "Hello, World!")
end)

httpsrv.register("GET", "/json", function(sess)
  sess:response_status_set_std(200, "OK", "application/json")
  sess:response_append(cjson.encode({ message = "Hello, World!" }))
end)

-- A session that waits until /release.
httpsrv.register("GET", "/suspend", function(sess)
  waiting = waiting + 1
  released:wait()
  waiting = waiting - 1
  answer(sess, "released")
end)

-- A session that has sent something, and whose generator waits until /release.
httpsrv.register("GET", "/drip", function(sess)
  sess:response_status_set_std(200, "OK", "text/plain")
  sess:response_io(httpsrv.io.generator(function(write)
    waiting = waiting + 1
    write("first\n")
    released:wait()
    waiting = waiting - 1
    write("last\n")
  end))
end)

-- Coroutines that wait as sessions do, but have no connection: more of them than there are descriptors.
httpsrv.register("GET", "/tasks", function(sess)
  local number = tonumber(sess:path_rest()) or 0
  for _ = 1, number do
    httpsrv.spawn_detached(function()
      waiting = waiting + 1
      released:wait()
      waiting = waiting - 1
    end)
  end
  answer(sess, tostring(number))
end)

httpsrv.register("GET", "/waiting", function(sess)
  answer(sess, tostring(waiting))
end)

httpsrv.register("GET", "/release", function(sess)
  local event = released
  released = httpsrv.event()
  event:set()
  answer(sess, "released")
end)

-- 16 KiB of garbage in small tables: at a few thousand of these a second the collector never rests.
httpsrv.register("GET", "/churn", function(sess)
  local rows = {}
  for i = 1, 100 do
    rows[i] = { i, i + 1, i + 2 }
  end
  answer(sess, tostring(#rows))
end)

-- The collector, to count what a request leaves behind: stopped and at rest, then the bytes in use.
httpsrv.register("GET", "/collector/stop", function(sess)
  collectgarbage()
  collectgarbage()
  collectgarbage("stop")
  answer(sess, ("%.0f"):format(collectgarbage("count") * 1024))
end)

httpsrv.register("GET", "/collector/count", function(sess)
  answer(sess, ("%.0f"):format(collectgarbage("count") * 1024))
end)

httpsrv.register("GET", "/collector/restart", function(sess)
  collectgarbage("restart")
  collectgarbage()
  answer(sess, ("%.0f"):format(collectgarbage("count") * 1024))
end)

-- Handlers that wait, hold memory or make garbage; tests/bench/memory, growth and latency use them.
local cjson = require "cjson"
local ffi = require "ffi"
local httpsrv = require "httpsrv"

ffi.cdef [[
typedef struct { long sec, nsec; } bench_timespec;
int clock_gettime(int clock, bench_timespec *ts);
]]

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

-- Holds on to it, too: what no function refers to is garbage as soon as this file has run.
httpsrv.register("GET", "/ballast", function(sess)
  answer(sess, tostring(#ballast))
end)

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

-- A whole cycle of the collector, one step at a time: how many steps, and of the processor time that each took the longest, the 99.9th
-- percentile and the sum, in nanoseconds. That time has no part in what else the machine does.
httpsrv.register("GET", "/collector/cycle", function(sess)
  local CLOCK_THREAD_CPUTIME_ID = 3
  local ts = ffi.new "bench_timespec"
  local function now()
    ffi.C.clock_gettime(CLOCK_THREAD_CPUTIME_ID, ts)
    return tonumber(ts.sec) * 1e9 + tonumber(ts.nsec)
  end
  collectgarbage()
  collectgarbage("stop") -- only the steps that are counted
  local took, sum = {}, 0
  repeat
    local before = now()
    local over = collectgarbage("step", 0)
    took[#took + 1] = now() - before
    sum = sum + took[#took]
  until over
  collectgarbage("restart")
  table.sort(took)
  answer(sess, cjson.encode {
    steps = #took, longest = took[#took], p999 = took[math.max(1, math.ceil(#took * 0.999))], sum = sum,
    bytes = collectgarbage("count") * 1024, waiting = waiting,
  })
end)

-- pool.lua - what handlers that block in a pool of 4 do to the loop: the latency of a hello, alone and beside 64 of them.
-- Run: ./httpsrv lua tests/bench/pool.lua [hellos]. Both rounds are from one run, against a server of its own; it prints
-- percentiles and their ratio and judges nothing but that all was answered.
package.path = "spec/?.lua;" .. package.path
local httpsrv = require "httpsrv"
local support = require "support.server"
local ffi = require "ffi"

ffi.cdef "struct bench_time { long s, ns; }; int clock_gettime(int clock, struct bench_time *t);"
local clock = ffi.new("struct bench_time")
local function now()
  ffi.C.clock_gettime(1, clock)
  return tonumber(clock.s) * 1e6 + tonumber(clock.ns) / 1e3
end

local HELLOS = tonumber(arg[1]) or 2000
local BLOCKERS = 64

local server = assert(support.start({ ["a.lua"] = [[
local httpsrv = require "httpsrv"
local ffi = require "ffi"
ffi.cdef "int usleep(unsigned us);"
local p = httpsrv.pool("four", { threads = 4, queue = 100 })
httpsrv.register("GET", "/hello", function(sess) sess:response_append("hello\n") end)
httpsrv.register("GET", "/block", function(sess)
  ffi.C.usleep(50000) -- blocks the thread, and computes nothing: what is measured is the loop, not the processors
  sess:response_append("blocked\n")
end, { pool = p })
]] }))

local function hellos(times)
  local c = server:connect()
  for _ = 1, HELLOS do
    local begin = now()
    c:request("GET", "/hello")
    assert(assert(c:response()).body == "hello\n")
    times[#times + 1] = now() - begin
  end
  c:close()
  table.sort(times)
  return times[math.ceil(#times * 0.5)], times[math.ceil(#times * 0.99)]
end

hellos({}) -- warm
local p50, p99 = hellos({})

local stop, blocked, tasks = false, 0, {}
for i = 1, BLOCKERS do
  tasks[i] = httpsrv.spawn(function()
    while not stop do
      assert(server:request("GET", "/block").body == "blocked\n")
      blocked = blocked + 1
    end
  end)
end
while blocked < 4 do httpsrv.sleep(0.01) end
local busy50, busy99 = hellos({})
stop = true
for _, task in ipairs(tasks) do assert(task:wait()) end
server:stop()

print(("hello alone:              p50 %6.0f us  p99 %6.0f us  (%d requests)"):format(p50, p99, HELLOS))
print(("beside %d that block:     p50 %6.0f us  p99 %6.0f us  (%d answered)"):format(BLOCKERS, busy50, busy99, blocked))
print(("ratio:                    p50 %6.2f     p99 %6.2f"):format(busy50 / p50, busy99 / p99))

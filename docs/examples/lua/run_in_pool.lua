-- shows: httpsrv.run_in_pool
-- A function that blocks, or computes, runs in a thread; its upvalues and arguments are copied, and so is what it returns.
local httpsrv = require "httpsrv"

local offset = 10
local ok, sum = httpsrv.run_in_pool("CPU", function(n)
  local total = offset
  for i = 1, n do total = total + i end
  return total
end, 1000)
print(ok, sum)  --> true	500510

print(httpsrv.run_in_pool("IO", function() return httpsrv.in_pool() end))  --> true	true

local failed, err = httpsrv.run_in_pool("IO", function() error({ code = 7 }) end)
print(failed, err.code)  --> false	7

-- shows: httpsrv.spawn, task:wait, task:is_done
-- Two things at a time, and what came of them.
local httpsrv = require "httpsrv"

local function add(a, b)
  httpsrv.sleep(0.01)
  return a + b
end

local one = httpsrv.spawn(add, 1, 2)
local other = httpsrv.spawn(add, 3, 4)
print(one:is_done())                   --> false
print(one:wait())                      --> true	3
print(other:wait(httpsrv.now() + 5))   --> true	7
print(one:is_done())                   --> true

local failing = httpsrv.spawn(function() error("no luck", 0) end)
print(failing:wait())                  --> false	no luck

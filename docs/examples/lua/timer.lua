-- shows: httpsrv.timer.after, httpsrv.timer.at, httpsrv.timer.every, timer:stop, timer:start, timer:name
-- Functions that run later, at a time of day, and again and again.
local httpsrv = require "httpsrv"

httpsrv.timer.after(0.01, function() print("later") end)
httpsrv.sleep(0.03)                       --> later

httpsrv.timer.at(os.time(), function() print("at its time") end)
httpsrv.sleep(0.01)                       --> at its time

local ticks = 0
local clock = httpsrv.timer.every(0.005, function() ticks = ticks + 1 end, "clock")
print(clock:name())                       --> clock
repeat httpsrv.sleep(0.01) until ticks >= 3
print(clock:stop(), clock:stop())         --> true	false
clock:start()                             -- anew, from now on
print(clock:stop())                       --> true

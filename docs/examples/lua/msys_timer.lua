-- shows: msys.timer.after, msys.timer.at, msys.timer.every, msys.sleep, msys.asyncOk
-- Timers, and waits that hold up nobody.
local msys = require("msys")
require("msys.timer")

msys.timer.after(0.01, function() print("later") end)
msys.sleep(0.03)             --> later
msys.timer.at(os.time(), function() print("at its time") end)
msys.sleep(0.01)             --> at its time
local ticks = 0
local clock = msys.timer.every(0.005, function() ticks = ticks + 1 end, "clock")
repeat msys.sleep(0.01) until ticks >= 2
clock:stop()
print(msys.asyncOk())        --> true

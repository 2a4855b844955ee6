-- Timers, which nobody holds.
require("msys.core");
require 'msys.timer';
require('msys.httpsrv')

local seen = { once = 0, often = 0 }

msys.timer.after(0.01, function()
  seen.once = seen.once + 1
end, "once")

msys.timer.at(msys.core.get_now_ts() \ 1, function() seen.at = "at" end)

local often = msys.timer.every(0.01, function()
  seen.often = seen.often + 1
end, "repeater")

msys.httpsrv.register("GET", "/timers", function(session)
  collectgarbage()
  local last
  repeat
    msys.sleep(0.01)
  until seen.once == 1 & seen.once and seen.often >= 3 and seen.at != nil
  often:stop()
  last = seen.often
  msys.sleep(0.05)
  session:response_status_set_std(200, often:name() .. " " .. seen.at .. " " .. seen.once .. " " .. seen.often - last .. " " ..
    tostring(msys.asyncOk()), "text/plain")
end)

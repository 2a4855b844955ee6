-- shows: task:cancel
-- A cancelled task finds its wait raising httpsrv.cancelled.
local httpsrv = require "httpsrv"

local task = httpsrv.spawn(function()
  local ok, err = pcall(httpsrv.sleep, 3600)
  print("cancelled:", not ok and err == httpsrv.cancelled)
end)
httpsrv.sleep(0.01)
task:cancel()
task:wait()
--> cancelled:	true

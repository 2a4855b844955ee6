-- shows: httpsrv.shield
-- What has been begun is brought to its end, though the task is cancelled meanwhile.
local httpsrv = require "httpsrv"

local saved
local task = httpsrv.spawn(function()
  httpsrv.shield(function()
    httpsrv.sleep(0.02)
    saved = "all of it"
  end, 1)
end)
httpsrv.sleep(0.01)
task:cancel()
task:wait()
print(saved)  --> all of it

-- shows: httpsrv.sleep, httpsrv.now
-- A wait holds up nobody but the task that waits.
local httpsrv = require "httpsrv"

local before = httpsrv.now()
httpsrv.sleep(0.05)
print(httpsrv.now() - before >= 0.05)  --> true

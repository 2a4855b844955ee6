-- shows: httpsrv.live
-- What the process holds just now.
local httpsrv = require "httpsrv"

local before = httpsrv.live().ios
local io = httpsrv.io.memory("x")
print(httpsrv.live().ios - before)   --> 1
io:close()
print(httpsrv.live().ios - before)   --> 0

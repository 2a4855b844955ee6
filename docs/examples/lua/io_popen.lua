-- shows: httpsrv.io.popen, child:wait, child:kill
-- A program as a filter, and one that is ended.
local httpsrv = require "httpsrv"

local sort = assert(httpsrv.io.popen { "sort", "-r" })
sort.stdin:write("a\nc\nb\n")
sort.stdin:close()
print(sort.stdout:read("*l", "*l"))               --> c	b
print(sort:wait())                                --> 0

local sleeper = assert(httpsrv.io.popen { "sleep", "3600" })
sleeper:kill(15)
print(sleeper:wait())                             --> nil	killed by signal 15	15

-- shows: httpsrv.io.concat, httpsrv.io.range
-- A piece of one io between others.
local httpsrv = require "httpsrv"
local io = httpsrv.io

local middle = io.range(io.memory("0123456789"), 3, 6)   -- both ends are in it
local page = io.concat(io.memory("<b>"), middle, io.memory("</b>"))
print(page:size())        --> 11
print(page:read("*a"))    --> <b>3456</b>

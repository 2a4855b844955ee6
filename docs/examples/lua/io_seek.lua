-- shows: io:seek, io:flush, io:clone, httpsrv.io.tmpfile
-- A file without a name, written, read again, and read by another at its own place.
local httpsrv = require "httpsrv"

local file = assert(httpsrv.io.tmpfile())
file:write("0123456789"):flush()
print(file:seek("set", 4))    --> 4
print(file:read(2))           --> 45
local other = assert(file:clone())
print(other:read(2))          --> 01
print(file:read(2))           --> 67

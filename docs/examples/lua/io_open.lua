-- shows: httpsrv.io.open, io:write, io:lines, io:close, io:size
-- Writes a file and reads it line by line.
local httpsrv = require "httpsrv"

local file = assert(httpsrv.io.open("list.txt", "w"))
file:write("one\n", "two\n", 3, "\n")
file:close()

file = assert(httpsrv.io.open("list.txt"))
print(file:size())                        --> 10
for line in file:lines() do print(line) end
--> one
--> two
--> 3
print(httpsrv.io.open("missing.txt"))     --> nil	No such file or directory	ENOENT
local io = httpsrv.io
io.open("list.txt", io.O_WRONLY + io.O_APPEND):write("four\n")
print(io.open("list.txt"):size())         --> 15

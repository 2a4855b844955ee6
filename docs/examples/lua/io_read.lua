-- shows: io:read, httpsrv.io.memory
-- Reads as file:read does: lines, numbers, so many bytes, all the rest.
local httpsrv = require "httpsrv"

local io = httpsrv.io.memory("a line\n42 ten bytes\nand more")
print(io:read("*l"))       --> a line
print(io:read("*n"))       --> 42
print(io:read(4))          -->  ten
print(#io:read("*a"))      --> 15
print(io:read(1))          --> nil

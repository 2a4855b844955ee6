-- shows: msys.core.io_wrapper_open, msys.readfile, msys.core.get_now_ts
-- Appends to a file and reads it. In the manual's Lua the flags and the mode may also be written O_CREAT | O_APPEND, 0644.
local msys = require("msys")
local core = msys.core

local file = core.io_wrapper_open("log.txt", core.O_CREAT + core.O_APPEND + core.O_WRONLY, tonumber("644", 8))
local line = "a line\n"
file:write(line, #line)
file:close()
print((msys.readfile("log.txt"):gsub("\n", "")))   --> a line
print(core.get_now_ts() > 1700000000)              --> true

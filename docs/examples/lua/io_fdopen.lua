-- shows: httpsrv.io.fdopen
-- An io on a descriptor that something else has opened.
local httpsrv = require "httpsrv"
local ffi = require "ffi"

ffi.cdef "int pipe(int fds[2]);"
local fds = ffi.new("int[2]")
assert(ffi.C.pipe(fds) == 0)
local reader, writer = httpsrv.io.fdopen(fds[0]), httpsrv.io.fdopen(fds[1])
writer:write("through the pipe\n")
print(reader:read("*l"))        --> through the pipe
print(httpsrv.io.fdopen(99))    --> nil	Bad file descriptor	EBADF

-- shows: msys.runInPool, msys.threadpool.count, msys.threadpool.find, msys.threadpool.stat
-- Work that blocks goes to a thread, with what it needs copied there.
local msys = require("msys")

local a, b = 20, 22
print(msys.runInPool("IO", function() return a + b end))    --> true	42

local id = msys.threadpool.find("IO")
print(msys.threadpool.find(id))                             --> IO
print(msys.threadpool.count() >= 2)                         --> true
print(type(msys.threadpool.stat(id)))                       --> table

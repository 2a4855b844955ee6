-- shows: msys.lock, msys.unlock, thread.mutex, mutex:lock, mutex:trylock, mutex:unlock
-- A named lock, and one without a name; each is let go when its holder ends.
local httpsrv = require("httpsrv")
local msys = require("msys")
local thread = require("thread")

msys.lock("counter")
local other = httpsrv.spawn(function()
  msys.lock("counter")          -- waits
  print("the other has it")
  msys.unlock("counter")
end)
httpsrv.sleep(0.01)
print("one lets it go")
msys.unlock("counter")
other:wait()
--> one lets it go
--> the other has it

local m = thread.mutex()
m:lock()
httpsrv.spawn(function() print(m:trylock()) end):wait()   --> false
m:unlock()

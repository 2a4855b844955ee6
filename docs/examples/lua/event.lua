-- shows: httpsrv.event, event:wait, event:set, event:clear, event:is_set
-- Everybody waits until something is ready.
local httpsrv = require "httpsrv"

local ready = httpsrv.event()
for i = 1, 2 do
  httpsrv.spawn(function()
    ready:wait()
    print(i, "goes on")
  end)
end
httpsrv.sleep(0.01)
print(ready:is_set())   --> false
ready:set()
httpsrv.sleep(0.01)
--> 1	goes on
--> 2	goes on
ready:clear()
print(ready:wait(httpsrv.now() + 0.01))   --> nil	timed out	ETIMEDOUT

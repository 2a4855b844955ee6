-- shows: httpsrv.queue, queue:put, queue:get, queue:size
-- One task hands values to another; a full queue makes the one wait, an empty one the other.
local httpsrv = require "httpsrv"

local jobs = httpsrv.queue(2)
httpsrv.spawn(function()
  for i = 1, 5 do jobs:put("job " .. i) end
end)
for _ = 1, 5 do print(jobs:get()) end
--> job 1
--> job 2
--> job 3
--> job 4
--> job 5
print(jobs:size())                      --> 0
print(jobs:get(httpsrv.now() + 0.01))   --> nil	timed out	ETIMEDOUT

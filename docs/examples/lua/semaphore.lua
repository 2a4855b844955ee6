-- shows: httpsrv.semaphore, semaphore:acquire, semaphore:release
-- No more than two at a time.
local httpsrv = require "httpsrv"

local places, inside, most = httpsrv.semaphore(2), 0, 0
local tasks = {}
for i = 1, 6 do
  tasks[i] = httpsrv.spawn(function()
    places:acquire()
    inside = inside + 1
    most = math.max(most, inside)
    httpsrv.sleep(0.005)
    inside = inside - 1
    places:release()
  end)
end
for _, task in ipairs(tasks) do task:wait() end
print(most)  --> 2

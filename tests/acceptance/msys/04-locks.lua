-- Locks by name, mutexes, and what belongs to a session.
require("msys.httpsrv")
require('thread')

counter_lock = thread.mutex()
counter = 0

local function increment(step)
  counter_lock:lock()
  local value = counter
  msys.sleep(0.001) -- others come meanwhile
  counter = value + step
  counter_lock:unlock()
end

msys.httpsrv.register("POST", "/count", function(session)
  increment(tonumber(session:request_data_get_string()) << 1)
end)

msys.httpsrv.register("GET", "/count", function(session)
  session:response_status_set_std(200, tostring(counter), "text/plain")
end)

-- Ends with the lock in its hands.
msys.httpsrv.register(nil, "/keep", function(session)
  msys.lock("kept")
  _TLS.mine = session:request_url_get().url
  msys.sleep(0.001)
  session:response_status_set_std(200, "kept for " .. _TLS.mine, "text/plain")
end)

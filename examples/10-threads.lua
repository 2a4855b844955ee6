-- Threads: handlers that block, and functions that compute, beside the loop
--
-- A handler with a pool runs in one of its threads, with a Lua state of its own, and may block: others are served meanwhile.
-- run_in_pool sends a single function there.
--
-- Open /threads.
--
--     curl http://127.0.0.1:8080/threads/block
--     curl http://127.0.0.1:8080/threads/primes/100000

local httpsrv = require "httpsrv"

local blocking = httpsrv.pool("blocking", { threads = 2, queue = 20 })

-- A program that is waited for the old way; it stands for any library that blocks.
httpsrv.register("GET", "/threads/block", function(sess)
  os.execute("sleep 0.2")
  sess:response_status_set_std(200, "OK", "text/plain; charset=utf-8")
  sess:response_append("done in a thread: " .. tostring(httpsrv.in_pool()) .. "\n")
end, { pool = blocking })

-- What the function needs travels with it: n is copied.
httpsrv.register("GET", "/threads/primes", function(sess)
  local n = math.min(tonumber(sess:path_rest()) or 1000, 1000000)
  local ok, count = httpsrv.run_in_pool("CPU", function()
    local sieve, found = {}, 0
    for i = 2, n do
      if not sieve[i] then
        found = found + 1
        for k = i * i, n, i do sieve[k] = true end
      end
    end
    return found
  end)
  if not ok then error(count, 0) end
  sess:response_status_set_std(200, "OK", "text/plain; charset=utf-8")
  sess:response_append(("%d primes up to %d\n"):format(count, n))
end)

httpsrv.register("GET", "/threads", function(sess)
  local st = assert(httpsrv.pool_stat("blocking"))
  sess:response_status_set_std(200, "OK", "text/plain; charset=utf-8")
  sess:response_append(("%d of %d threads started, %d busy, %d waiting, %d done\n"):format(
    st.threads, st.threads_max, st.active, st.queued, st.done))
end)

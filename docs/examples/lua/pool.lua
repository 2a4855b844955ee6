-- shows: httpsrv.pool, httpsrv.pool_stat, httpsrv.pool_names
-- A pool of threads for handlers that block, and what it has done.
local httpsrv = require "httpsrv"

local db = httpsrv.pool("database", { threads = 4, queue = 100 })

httpsrv.register("GET", "/slow", function(sess)
  os.execute("sleep 0.1")  -- holds up this thread, nobody else
  sess:response_string("done\n")
end, { pool = db })

httpsrv.register("GET", "/pools", function(sess)
  local st = httpsrv.pool_stat(db)
  sess:response_printf("%s of %d threads: %d done\n", st.name, st.threads_max, st.done)
  sess:response_append(table.concat(httpsrv.pool_names(), " ") .. "\n")
end)
--$ curl -s http://127.0.0.1:8080/slow
--> done
--$ curl -s http://127.0.0.1:8080/pools
--> database of 4 threads: 1 done
--> IO CPU database

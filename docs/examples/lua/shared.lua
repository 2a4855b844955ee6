-- shows: httpsrv.shared, shared:get, shared:set, shared:add, shared:replace, shared:incr, shared:delete, httpsrv.worker_id
-- Counts the requests of all workers, and lets one of them do what is dear for all.
local httpsrv = require "httpsrv"
local counts = assert(httpsrv.shared("counts", "1M"))

httpsrv.register("GET", "/count", function(sess)
  sess:response_append(counts:incr("requests", 1, 0) .. " in all\n")
end)

httpsrv.register("GET", "/price", function(sess)
  local price = counts:get("price")
  if not price and counts:add("asking", httpsrv.worker_id(), 10) then -- the others answer without
    price = 42                                                        -- asked of somebody far away
    counts:set("price", price, 60)                                    -- for a minute
    counts:replace("price", price, 120)                               -- or for two
    counts:delete("asking")
  end
  sess:response_append((price or "soon") .. "\n")
end)

--$ curl http://127.0.0.1:8080/count
--> 1 in all
--$ curl http://127.0.0.1:8080/count
--> 2 in all
--$ curl http://127.0.0.1:8080/price
--> 42

-- shows: httpsrv.io.gzip
-- Sends what a client that can take it compressed gets smaller.
local httpsrv = require "httpsrv"

httpsrv.register("GET", "/zeros", function(sess)
  local io = httpsrv.io.memory(("0"):rep(100000))
  if (sess:request_header_get("Accept-Encoding") or ""):find("gzip", 1, true) then
    sess:response_header_set("Content-Encoding", "gzip")
    io = httpsrv.io.gzip(io, 9)
  end
  sess:response_io(io)
end)

--$ curl http://127.0.0.1:8080/zeros | wc -c
--> 100000
--$ curl -H 'Accept-Encoding: gzip' http://127.0.0.1:8080/zeros | wc -c | awk '{ print $1 < 1000 }'
--> 1
--$ curl --compressed http://127.0.0.1:8080/zeros | wc -c
--> 100000

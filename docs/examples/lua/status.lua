-- shows: session:response_status_set, session:response_status_set_std
-- A status alone, and one with a text for people.
local httpsrv = require "httpsrv"

httpsrv.register("DELETE", "/thing", function(sess)
  sess:response_status_set(204)
end)
httpsrv.register("GET", "/thing", function(sess)
  sess:response_status_set_std(410, "It has been deleted", "text/plain")
end)

--$ curl -X DELETE -w '%{http_code}\n' http://127.0.0.1:8080/thing
--> 204
--$ curl -w ' (%{http_code})\n' http://127.0.0.1:8080/thing
--> It has been deleted (410)

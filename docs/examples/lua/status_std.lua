-- shows: session:response_status_ok, session:response_status_denied, session:response_status_not_found, session:response_status_error
-- The four that are needed most.
local httpsrv = require "httpsrv"

httpsrv.register("GET", "/ok", function(sess) sess:response_status_ok("text/html") end)
httpsrv.register("GET", "/denied", function(sess) sess:response_status_denied("text/plain") end)
httpsrv.register("GET", "/lost", function(sess) sess:response_status_not_found("text/plain") end)
httpsrv.register("GET", "/broken", function(sess) sess:response_status_error("text/plain") end)

--$ curl -o /dev/null -w '%{http_code} %{content_type}\n' http://127.0.0.1:8080/ok
--> 200 text/html
--$ curl -o /dev/null -w '%{http_code}\n' http://127.0.0.1:8080/denied
--> 403
--$ curl -o /dev/null -w '%{http_code}\n' http://127.0.0.1:8080/lost
--> 404
--$ curl -o /dev/null -w '%{http_code}\n' http://127.0.0.1:8080/broken
--> 500

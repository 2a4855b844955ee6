-- shows: session:response_header_set, session:response_header_add
-- One field of a name, or several.
local httpsrv = require "httpsrv"

httpsrv.register("GET", "/", function(sess)
  sess:response_header_set("Cache-Control", "no-store")
  sess:response_header_set("X-Draft", "yes")
  sess:response_header_set("X-Draft", nil)             -- taken back
  sess:response_header_add("Link", "</a>; rel=prev")
  sess:response_header_add("Link", "</c>; rel=next")
end)

--$ curl -i http://127.0.0.1:8080/ | grep -E '^(Cache|Link|X-)'
--> Cache-Control: no-store
--> Link: </a>; rel=prev
--> Link: </c>; rel=next

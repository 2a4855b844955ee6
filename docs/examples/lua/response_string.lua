-- shows: session:response_string
-- A body in the place of what there was.
local httpsrv = require "httpsrv"

httpsrv.register("GET", "/", function(sess)
  sess:response_append("a first attempt")
  sess:response_string("what is sent\n")
end)

--$ curl -w '%{content_type}\n' http://127.0.0.1:8080/
--> what is sent
--> text/plain

-- shows: session:request_content_type_get
-- Media type and charset of what was sent.
local httpsrv = require "httpsrv"

httpsrv.register("POST", "/", function(sess)
  local kind, charset = sess:request_content_type_get()
  sess:response_printf("%s, %s\n", kind, tostring(charset))
end)

--$ curl -d x -H 'Content-Type: Text/Plain; charset="utf-8"' http://127.0.0.1:8080/
--> text/plain, utf-8
--$ curl -d x http://127.0.0.1:8080/
--> application/x-www-form-urlencoded, nil

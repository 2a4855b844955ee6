-- shows: httpsrv.register_error
-- A page of one's own for what is not there.
local httpsrv = require "httpsrv"

httpsrv.register_error(404, function(sess, status, message)
  sess:response_header_set("Content-Type", "text/plain")
  sess:response_printf("%d %s: %s\n", status, message, sess:request_path_get())
end)

--$ curl http://127.0.0.1:8080/nowhere
--> 404 Not Found: /nowhere

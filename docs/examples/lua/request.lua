-- shows: session:request_method_get, session:request_protocol_get, session:request_path_get
-- The request line, as it was understood.
local httpsrv = require "httpsrv"

httpsrv.register(nil, "/", function(sess)
  sess:response_printf("%s %s %s\n", sess:request_method_get(), sess:request_path_get(), sess:request_protocol_get())
end)

--$ curl http://127.0.0.1:8080/a/./b%20c
--> GET /a/b c HTTP/1.1
--$ curl -X DELETE -0 http://127.0.0.1:8080/x
--> DELETE /x HTTP/1.0

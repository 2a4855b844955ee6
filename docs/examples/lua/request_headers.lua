-- shows: session:request_header_get, session:request_headers
-- One field, and all of them; names in any case.
local httpsrv = require "httpsrv"

httpsrv.register("GET", "/", function(sess)
  sess:response_printf("%s\n", sess:request_header_get("x-colour"))
  local all = sess:request_headers()
  sess:response_printf("%s, %s, %s\n", all["X-Colour"], all["x-size"], tostring(all["X-None"]))
end)

--$ curl -H 'X-Colour: red' -H 'X-Colour: blue' -H 'X-Size: 4' http://127.0.0.1:8080/
--> red, blue
--> red, blue, 4, nil

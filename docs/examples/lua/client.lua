-- shows: session:client_address, session:request_id
-- Who asks, behind proxies too, and what the request is called in logs.
local httpsrv = require "httpsrv"

httpsrv.register("GET", "/", function(sess)
  local client = sess:client_address()     -- the peer's, unless the setting "trusted" names that as a proxy
  sess:response_printf("%s, %d digits\n", client.ip or client.family, #sess:request_id())
end)

--$ curl http://127.0.0.1:8080/
--> unix, 32 digits

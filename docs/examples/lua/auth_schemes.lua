-- shows: httpsrv.auth.basic, httpsrv.auth.digest, httpsrv.auth.parse
-- Names and passwords: Basic and Digest from the box, and a scheme of one's own.
local httpsrv = require "httpsrv"
local auth = require "httpsrv.auth"

local users = { ann = "secret" }

httpsrv.register_auth(nil, "/basic", auth.basic{ realm = "notes", users = users })
httpsrv.register_auth(nil, "/digest", auth.digest{ realm = "notes", users = users })
httpsrv.register_auth(nil, "/key", function(sess)
  local scheme, _, p = auth.parse(sess:request_header_get("Authorization"))
  if scheme == "key" and p and p.id == "42" then return true, "machine" end
  return nil, 'Key realm="notes"'
end)

httpsrv.register("GET", "/", function(sess)
  sess:response_printf("Hello, %s!\n", sess:request_username_get() or "nobody")
end)

--$ curl -u ann:secret http://127.0.0.1:8080/basic
--> Hello, ann!
--$ curl --digest -u ann:secret http://127.0.0.1:8080/digest
--> Hello, ann!
--$ curl -o /dev/null -w '%{http_code}\n' --digest -u ann:wrong http://127.0.0.1:8080/digest
--> 401
--$ curl -H 'Authorization: Key id="42"' http://127.0.0.1:8080/key
--> Hello, machine!

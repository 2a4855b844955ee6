-- shows: msys.registerAuth, msys.authHandler
-- A scheme that judges user names and passwords, and a place that asks for them.
local httpsrv = require("httpsrv")
local msys = require("msys")

local scheme = {}

function scheme:authenticate(_, _, username, password)
  if username == "ann" and password == "sesame" then return msys.core.EC_AUTH_OK end
  return msys.core.EC_AUTH_FAIL
end

msys.registerAuth("ours", scheme)
httpsrv.register_auth(nil, "/private", msys.authHandler("ours", { realm = "private" }))

httpsrv.register("GET", "/private", function(sess)
  sess:response_printf("Hello, %s!\n", sess:request_username_get())
end)

--$ curl -o /dev/null -w '%{http_code}\n' http://127.0.0.1:8080/private
--> 401
--$ curl -o /dev/null -w '%{http_code}\n' -u ann:wrong http://127.0.0.1:8080/private
--> 401
--$ curl -u ann:sesame http://127.0.0.1:8080/private
--> Hello, ann!

-- shows: httpsrv.register_auth, session:request_username_set, session:request_username_get
-- Who may come in: a token says who it is, and one user has to stay outside.
local httpsrv = require "httpsrv"

local users = { sesame = "ann", plugh = "bob" }

httpsrv.register_auth(nil, "/private", function(sess)
  local token = (sess:request_header_get("Authorization") or ""):match("^Bearer (%w+)$")
  local user = users[token]
  if not user then return nil, 'Bearer realm="private"' end   -- 401, with this challenge
  if user == "bob" then return false end                      -- 403
  sess:request_username_set(user)                             -- the same as: return true, user
  return true
end)

httpsrv.register("GET", "/private", function(sess)
  sess:response_printf("Hello, %s!\n", sess:request_username_get())
end)

--$ curl -i http://127.0.0.1:8080/private | grep -E '^(HTTP|WWW)'
--> HTTP/1.1 401 Unauthorized
--> WWW-Authenticate: Bearer realm="private"
--$ curl -o /dev/null -w '%{http_code}\n' -H 'Authorization: Bearer plugh' http://127.0.0.1:8080/private
--> 403
--$ curl -H 'Authorization: Bearer sesame' http://127.0.0.1:8080/private
--> Hello, ann!

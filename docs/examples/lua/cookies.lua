-- shows: session:cookies, session:cookie_set
-- Counts the visits of a client that keeps its cookies.
local httpsrv = require "httpsrv"

httpsrv.register("GET", "/", function(sess)
  local visits = (tonumber(sess:cookies().visits) or 0) + 1
  sess:cookie_set("visits", tostring(visits), { path = "/", http_only = true, same_site = "lax" })
  sess:response_printf("visit %d\n", visits)
end)

--$ curl -c jar http://127.0.0.1:8080/; curl -b jar http://127.0.0.1:8080/; rm jar
--> visit 1
--> visit 2
--$ curl -i http://127.0.0.1:8080/ | grep Set-Cookie
--> Set-Cookie: visits=1; Path=/; HttpOnly; SameSite=Lax

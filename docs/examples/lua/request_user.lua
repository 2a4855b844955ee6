-- shows: session:request_username_get, session:request_subject_cn_get
-- Who asks, where that is known: nobody has logged in here, and there is no certificate.
local httpsrv = require "httpsrv"

httpsrv.register("GET", "/whoami", function(sess)
  local who = sess:request_username_get() or sess:request_subject_cn_get() or "somebody"
  sess:response_append(who .. "\n")
end)

--$ curl http://127.0.0.1:8080/whoami
--> somebody

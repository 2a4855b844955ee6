-- shows: session:request_subject_cn_get
-- The name in the client's certificate, where there is one that has been verified.
local httpsrv = require "httpsrv"

httpsrv.register("GET", "/whoami", function(sess)
  sess:response_append((sess:request_subject_cn_get() or "no certificate") .. "\n")
end)

--$ curl http://127.0.0.1:8080/whoami
--> no certificate

-- shows: httpsrv.before, httpsrv.after
-- Something around the handlers below a path: who has no key gets no further, and every answer gets a field.
local httpsrv = require "httpsrv"

httpsrv.before(function(sess)
  if sess:request_header_get("X-Key") ~= "sesame" then
    return sess:response_status_denied("text/plain")
  end
end, { path = "/private" })

httpsrv.after(function(sess, status)
  if status == 200 then sess:response_header_set("X-Checked", "yes") end
end)

httpsrv.register("GET", "/private", function(sess) sess:response_append("the secret\n") end)

--$ curl -o /dev/null -w '%{http_code}\n' http://127.0.0.1:8080/private
--> 403
--$ curl -i -H 'X-Key: sesame' http://127.0.0.1:8080/private | grep -E 'secret|Checked'
--> X-Checked: yes
--> the secret

-- shows: session:request_form
-- What a browser's form has sent; each name with all its values.
local httpsrv = require "httpsrv"

httpsrv.register("POST", "/order", function(sess)
  local form, msg = sess:request_form()
  if not form then return sess:response_status_set_std(400, msg, "text/plain") end
  sess:response_printf("%s wants %s\n", form.name[1], table.concat(form.what, " and "))
end)

--$ curl -d 'name=Ann+Lee' -d 'what=tea' -d 'what=caf%C3%A9' http://127.0.0.1:8080/order
--> Ann Lee wants tea and café
--$ curl -w '\n' -H 'Content-Type: text/plain' -d x http://127.0.0.1:8080/order
--> the body is no form but text/plain

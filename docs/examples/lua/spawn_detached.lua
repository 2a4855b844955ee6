-- shows: httpsrv.spawn_detached
-- Work that goes on when the request has been answered.
local httpsrv = require "httpsrv"

local sent = httpsrv.queue()

httpsrv.register("POST", "/mail", function(sess)
  local text = sess:request_data_get_string()
  httpsrv.spawn_detached(function()
    httpsrv.sleep(0.01)                -- the slow part
    sent:put(text)
  end)
  sess:response_status_set_std(202, "Accepted", "text/plain")
end)

httpsrv.register("GET", "/sent", function(sess)
  sess:response_append(sent:get() .. "\n")
end)

--$ curl -d 'Dear all' http://127.0.0.1:8080/mail
--> Accepted
--$ curl http://127.0.0.1:8080/sent
--> Dear all

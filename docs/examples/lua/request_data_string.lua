-- shows: session:request_data_get_string
-- The whole body at once.
local httpsrv = require "httpsrv"

httpsrv.register("POST", "/length", function(sess)
  local body, msg, code = sess:request_data_get_string()
  if not body then return sess:response_status_set_std(400, msg .. " (" .. code .. ")", "text/plain") end
  sess:response_printf("%d bytes\n", #body)
end)

--$ curl -d 'twelve bytes' http://127.0.0.1:8080/length
--> 12 bytes

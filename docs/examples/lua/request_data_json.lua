-- shows: session:request_data_get_json, session:response_json
-- JSON in, JSON out.
local httpsrv = require "httpsrv"

httpsrv.register("POST", "/sum", function(sess)
  local numbers, msg = sess:request_data_get_json()
  if not numbers then return sess:response_status_set_std(400, msg, "text/plain") end
  local sum = 0
  for _, n in ipairs(numbers) do sum = sum + n end
  sess:response_json({ sum = sum })
end)

--$ curl -d '[1, 2, 3.5]' http://127.0.0.1:8080/sum
--> {"sum":6.5}
--$ curl -o /dev/null -w '%{http_code}\n' -d '[1, 2' http://127.0.0.1:8080/sum
--> 400

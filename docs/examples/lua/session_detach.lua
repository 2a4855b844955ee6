-- shows: session:detach, session:finish
-- A long poll: requests wait, and another answers them.
local httpsrv = require "httpsrv"

local waiting = {}

httpsrv.register("GET", "/next", function(sess)
  sess:detach()                       -- the response does not end with the handler
  waiting[#waiting + 1] = sess
end)

httpsrv.register("POST", "/next", function(sess)
  local text = sess:request_data_get_string()
  for _, other in ipairs(waiting) do
    other:response_append(text .. "\n")
    other:finish()
  end
  waiting = {}
end)

--$ (sleep 0.2; curl -d news http://127.0.0.1:8080/next) & curl http://127.0.0.1:8080/next; wait
--> news

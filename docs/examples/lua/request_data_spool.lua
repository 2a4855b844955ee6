-- shows: session:request_data_spool
-- The whole upload is there before it is used, in memory or in a file; then it can be read more than once.
local httpsrv = require "httpsrv"

httpsrv.register("POST", "/twice", function(sess)
  assert(sess:request_data_spool())
  sess:response_io(sess:request_data_get())
  sess:response_io(sess:request_data_get())
end)

--$ printf 'echo\n' | curl --data-binary @- http://127.0.0.1:8080/twice
--> echo
--> echo

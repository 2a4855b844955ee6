-- shows: session:response_flush
-- What is there is sent before the rest is known.
local httpsrv = require "httpsrv"

httpsrv.register("GET", "/", function(sess)
  sess:response_append("working ...\n")
  sess:response_flush()
  httpsrv.sleep(0.02)
  sess:response_append("done\n")
  sess:response_flush(true)                     -- no more will be added
  print(sess:response_append("too late"))
end)

--$ curl -N http://127.0.0.1:8080/
--> working ...
--> done
--! EBADF

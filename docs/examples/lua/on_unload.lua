-- shows: httpsrv.on_unload, httpsrv.log
-- Says good-bye when the server stops or has newer scripts.
local httpsrv = require "httpsrv"

httpsrv.on_unload(function()
  httpsrv.log("notice", "bye,", 1, "script has gone")
end)

httpsrv.register("GET", "/", function(sess) sess:response_append("here\n") end)

--$ curl http://127.0.0.1:8080/
--> here
--! bye, 1 script has gone

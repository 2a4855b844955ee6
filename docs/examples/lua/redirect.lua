-- shows: session:redirect
-- Sends the client elsewhere.
local httpsrv = require "httpsrv"

httpsrv.register("GET", "/old", function(sess) sess:redirect("/new", 301) end)
httpsrv.register("GET", "/new", function(sess) sess:response_append("the new place\n") end)

--$ curl -L -w '%{num_redirects}\n' http://127.0.0.1:8080/old
--> the new place
--> 1

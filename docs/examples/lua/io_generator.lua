-- shows: httpsrv.io.generator, session:response_io
-- A response that is made while it is being sent.
local httpsrv = require "httpsrv"

httpsrv.register("GET", "/count", function(sess)
  sess:response_io(httpsrv.io.generator(function(write)
    for i = 1, 3 do
      write(i, "\n")             -- waits for the client to take it
      httpsrv.sleep(0.01)
    end
  end))
end)

--$ curl -N http://127.0.0.1:8080/count
--> 1
--> 2
--> 3

-- shows: httpsrv.io.connect
-- Asks another server, and hands on what it says.
local httpsrv = require "httpsrv"

httpsrv.register("GET", "/there", function(sess) sess:response_append("from there\n") end)

httpsrv.register("GET", "/here", function(sess)
  local address = sess:request_local_address()
  local io = assert(httpsrv.io.connect("unix:" .. address.path))
  io:write("GET /there HTTP/1.0\r\n\r\n")
  repeat local line = io:read("*l") until line == "\r"   -- the head
  sess:response_io(io)
end)

--$ curl http://127.0.0.1:8080/here
--> from there

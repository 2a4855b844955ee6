-- shows: session:request_peer_address, session:request_local_address
-- Both ends of the connection.
local httpsrv = require "httpsrv"

httpsrv.register("GET", "/", function(sess)
  local peer, here = sess:request_peer_address(), sess:request_local_address()
  sess:response_printf("%s %s\n", peer.family, here.path:match("[^/]+$"))   -- ip and port, when it is inet
end)

--$ curl http://127.0.0.1:8080/
--> unix socket

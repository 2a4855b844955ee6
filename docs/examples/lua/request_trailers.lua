-- shows: session:request_trailers
-- Fields that come behind a chunked body.
local httpsrv = require "httpsrv"

httpsrv.register("POST", "/", function(sess)
  local body = sess:request_data_get_string()
  local trailers = sess:request_trailers()
  sess:response_printf("%s, checksum %s\n", body, trailers["X-Checksum"])
end)

httpsrv.register("GET", "/", function(sess)   -- curl sends no trailers, so this asks for itself
  local io = assert(httpsrv.io.connect("unix:" .. sess:request_local_address().path))
  io:write("POST / HTTP/1.1\r\nHost: here\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n",
    "5\r\nhello\r\n0\r\nX-Checksum: 532\r\n\r\n")
  sess:response_append(io:read("*a"):match("\r\n\r\n(.*)"))
end)

--$ curl http://127.0.0.1:8080/
--> hello, checksum 532

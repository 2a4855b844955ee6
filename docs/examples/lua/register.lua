-- shows: httpsrv.register, session:path_rest, session:response_printf
-- A handler for a base path gets everything below it too.
local httpsrv = require "httpsrv"

httpsrv.register("GET", "/hello", function(sess)
  local name = sess:path_rest()
  sess:response_printf("Hello, %s!\n", name ~= "" and name or "World")
end)

--$ curl http://127.0.0.1:8080/hello
--> Hello, World!
--$ curl http://127.0.0.1:8080/hello/Lua
--> Hello, Lua!
--$ curl -o /dev/null -w '%{http_code}\n' http://127.0.0.1:8080/helloworld
--> 404

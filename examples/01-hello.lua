-- Hello: the smallest handler
--
-- A script registers functions for methods and paths. A function is given the session, which is one request and its
-- response, and answers through it. When the function returns, the response is complete.
--
-- Open /hello, /hello/moon or /hello?name=Ada.
--
--     curl http://127.0.0.1:8080/hello
--     curl 'http://127.0.0.1:8080/hello?name=Ada'

local httpsrv = require "httpsrv"

-- A path stands for itself and for everything below it, so this answers /hello/moon too.
httpsrv.register("GET", "/hello", function(sess)
  local args = sess:request_args() -- { name = { "Ada" } }: lists, since a name may be repeated
  local name = args.name and args.name[1] or sess:path_rest():match("[^/]+") or "World"

  sess:response_status_set_std(200, "OK", "text/plain; charset=utf-8")
  sess:response_append("Hello, " .. name .. "!\n")
end)

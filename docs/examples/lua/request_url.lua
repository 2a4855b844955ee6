-- shows: session:request_url_get
-- The parts of the target, decoded.
local httpsrv = require "httpsrv"

httpsrv.register("GET", "/search", function(sess)
  local url = sess:request_url_get()
  sess:response_printf("%s | %s | %s | %s\n", url.path, url.raw_query, url.attrs.q, url.attrs.page)
end)

--$ curl 'http://127.0.0.1:8080/search?q=a%26b+c&page=2'
--> /search | q=a%26b+c&page=2 | a&b c | 2

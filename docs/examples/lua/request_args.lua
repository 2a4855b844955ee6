-- shows: session:request_args
-- A query in which a key comes more than once.
local httpsrv = require "httpsrv"

httpsrv.register("GET", "/tags", function(sess)
  local args = sess:request_args()
  sess:response_append(table.concat(args.tag or {}, ", ") .. "\n")
end)

--$ curl 'http://127.0.0.1:8080/tags?tag=lua&tag=c&x=1'
--> lua, c

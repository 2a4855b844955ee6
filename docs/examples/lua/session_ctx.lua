-- shows: session:ctx
-- What the parts of a handler share during one request.
local httpsrv = require "httpsrv"

local function note(sess, what)
  local ctx = sess:ctx()
  ctx.notes = (ctx.notes or "") .. what .. ";"
end

httpsrv.register("GET", "/", function(sess)
  note(sess, "looked up")
  note(sess, "found")
  sess:response_append(sess:ctx().notes .. "\n")
end)

--$ curl http://127.0.0.1:8080/
--> looked up;found;

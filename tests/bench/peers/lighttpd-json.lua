-- luacheck: globals lighty
local cjson = require "cjson"

local r = lighty.r
r.resp_header["Content-Type"] = "application/json"
r.resp_body.set(cjson.encode({ message = "Hello, World!" }))
return 200

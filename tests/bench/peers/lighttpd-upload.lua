-- luacheck: globals lighty
local r = lighty.r
if not r.req_body.collect then
  return 0
end
r.resp_header["Content-Type"] = "text/plain"
r.resp_body.set(tostring(#r.req_body.get:sub(-r.req_body.len)))
return 200

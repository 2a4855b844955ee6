-- luacheck: globals lighty
local r = lighty.r
local length = tonumber(r.req_attr["uri.path"]:match("^/stream/(%d+)$") or 1048576)
local piece = string.rep("x", 16384)

r.resp_header["Content-Type"] = "application/octet-stream"
local add = r.resp_body.set
for _ = 1, length // 16384 do
  add(piece)
  add = r.resp_body.add
end
if length % 16384 > 0 then
  add(piece:sub(1, length % 16384))
end
return 200

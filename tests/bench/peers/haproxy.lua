-- The handlers for HAProxy.
-- luacheck: globals core
local cjson = require "cjson"

local piece = string.rep("x", 16384)

local function answer(applet, type, body)
  applet:set_status(200)
  applet:add_header("content-type", type)
  applet:add_header("content-length", #body)
  applet:start_response()
  applet:send(body)
end

core.register_service("hello", "http", function(applet)
  answer(applet, "text/plain", "Hello, World!")
end)

core.register_service("json", "http", function(applet)
  answer(applet, "application/json", cjson.encode({ message = "Hello, World!" }))
end)

core.register_service("echo", "http", function(applet)
  answer(applet, "application/json", cjson.encode(cjson.decode(applet:receive())))
end)

core.register_service("stream", "http", function(applet)
  local length = tonumber(applet.path:match("^/stream/(%d+)$") or 1048576)

  applet:set_status(200)
  applet:add_header("content-type", "application/octet-stream")
  applet:add_header("content-length", length)
  applet:start_response()
  for _ = 1, length // 16384 do
    applet:send(piece)
  end
  if length % 16384 > 0 then
    applet:send(piece:sub(1, length % 16384))
  end
end)

core.register_service("upload", "http", function(applet)
  answer(applet, "text/plain", tostring(#applet:receive()))
end)

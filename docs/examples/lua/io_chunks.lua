-- shows: io:chunks, httpsrv.io.pipe
-- Takes what arrives as it arrives.
local httpsrv = require "httpsrv"

local reader, writer = httpsrv.io.pipe()
httpsrv.spawn(function()
  for _, piece in ipairs { "first", "second" } do
    writer:write(piece)
    httpsrv.sleep(0.01)
  end
  writer:close()
end)
for chunk in reader:chunks() do print(chunk) end
--> first
--> second

-- What a module in lib/ gives is translated because that module is the manual's, not because this file is.
local msys_httpsrv = require("msys.httpsrv")
local flags = require "flags"
local plain = require "plain"

msys_httpsrv.register("GET", "/flags", function(session)
  session:response_status_set_std(200, table.concat({ flags.both(0x10, 0x01), flags.mode, plain.mode, "\u00e4\-" }, " "), "text/plain")
end)

msys.httpsrv.register("GET", "/readfile", function(session)
  local text, why = msys.readfile(session:path_rest())
  session:response_status_set_std(text != nil and 200 or 404, why, "text/plain")
  if text then session:response_append(text) end
end)

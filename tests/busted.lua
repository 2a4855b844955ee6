-- busted.lua - the runner of the specs: httpsrv lua tests/busted.lua [busted's options]
-- The busted command may be a shell script that starts another Lua; this is always this one.
require("busted.runner")({ standalone = false })

--- What is done to a fresh Lua state before any script: the functions that must be able to wait are replaced, and those that the C side
-- calls are made known to it.
-- @module httpsrv.base
local C = select(2, ...)

require "httpsrv.coroutine"
require("httpsrv.loader").install()

local cancelled = debug.getmetatable(C.cancelled) or {}
cancelled.__tostring = function() return "cancelled" end
cancelled.__metatable = false
debug.setmetatable(C.cancelled, cancelled)

--- The first call of httpsrv lua.
function C.standalone(...) return require("httpsrv.standalone")(...) end

--- Looks for assignments to globals in a compiled chunk.
function C.check_chunk(fn) return require("httpsrv.check")(fn) end

return true

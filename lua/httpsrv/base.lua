--- What is done to a fresh Lua state before any script: the functions that must be able to wait are replaced, and those that the C side
-- calls are made known to it.
-- @module httpsrv.base
local C = select(2, ...)

require "httpsrv.coroutine"
require("httpsrv.loader").install()

-- A coroutine is used for one request after the other; one whose global environment was changed is not.
local raw_setfenv = setfenv
rawset(_G, "setfenv", function(f, env)
  if f == 0 then C.task_spoil() end
  return raw_setfenv(f, env) -- a tail call, so levels count as ever
end)

local cancelled = debug.getmetatable(C.cancelled) or {}
cancelled.__tostring = function() return "cancelled" end
cancelled.__metatable = false
debug.setmetatable(C.cancelled, cancelled)

--- The first call of httpsrv lua.
function C.standalone(...) return require("httpsrv.standalone")(...) end

--- Looks for assignments to globals in a compiled chunk.
function C.check_chunk(fn) return require("httpsrv.check")(fn) end

--- The text of a file that has the word msys in it, as LuaJIT's source if it is written in the manual's Lua; else nil.
function C.translate(text) return require("msys.translate").translate(text) end

-- What is to be done when the file that is being run has been run to its end.
local at_end

--- Has fn() called then. False when no file is being run.
function C.at_file_end(fn)
  if not at_end then return false end
  at_end[#at_end + 1] = fn
  return true
end

--- Runs a script's file.
function C.run_file(fn, ...)
  at_end = {}
  fn(...)
  local fns = at_end
  at_end = nil
  for i = 1, #fns do fns[i]() end
end

return true

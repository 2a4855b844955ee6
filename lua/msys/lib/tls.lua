--- _TLS: a table of each session's own. What a handler and all that works for its session store in it is theirs, and gone with the
-- session. Elsewhere (while scripts are loaded, in timers, in commands) there is one table for all. Each Lua state has its own:
-- values do not follow a function into a pool.
-- @module msys.lib.tls
local C = select(2, ...)
local session = require "httpsrv.session"

local setmetatable = setmetatable

local key = {} -- in the session's ctx
local elsewhere = {}

local function own()
  local serial = C.task_session()
  local ctx = serial and C.session_methods.ctx(setmetatable({ serial }, session.meta))
  if not ctx then return elsewhere end
  local t = ctx[key]
  if not t then
    t = {}
    ctx[key] = t
  end
  return t
end

return setmetatable({}, {
  __index = function(_, name) return own()[name] end,
  __newindex = function(_, name, value) own()[name] = value end,
  __metatable = false,
  __name = "_TLS",
})

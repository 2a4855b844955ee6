--- The manual's module thread: mutexes. A mutex is a lock as those of msys.lock, without a name; in a function that is run in a pool
-- it is the same lock. `require "thread"` also sets the global variable thread.
-- @module thread
local C = select(2, ...)
local take = require("msys.lib.lock").take

local type, setmetatable = type, setmetatable

local M = {}

--- Kinds: a second lock by its holder is an error, or counted.
M.MUTEX_NORMAL, M.MUTEX_RECURSIVE, M.MUTEX_ERRORCHECK = 0, 1, 2

--- A mutex. It is let go when the task that holds it ends.
-- @type mutex
local mutex = {}

-- A field of the module: so a mutex finds it again in the Lua state of a pool thread.
M.mutex_meta = { __index = mutex, __name = "mutex", __tostring = function() return "mutex" end }

local function check(self, fname)
  if type(self) ~= "table" or type(self.name) ~= "string" then
    C.throw(("calling '%s' on bad self (mutex expected, got %s)"):format(fname, type(self)))
  end
end

local function again(self)
  if self.kind ~= M.MUTEX_RECURSIVE or not C.lock_mine(self.name) then return false end
  self.depth = self.depth + 1
  return true
end

--- Takes it. Waits while another has it.
-- @return true; raises when the caller has it already, unless it is recursive
function mutex:lock()
  check(self, "lock")
  if again(self) then return true end
  take(self.name, "lock", true)
  self.depth = 0
  return true
end

--- Takes it if nobody has it.
-- @treturn boolean whether it is the caller's now
function mutex:trylock()
  check(self, "trylock")
  if again(self) then return true end
  if C.lock_mine(self.name) or not take(self.name, "trylock", false) then return false end
  self.depth = 0
  return true
end

--- Lets it go.
-- @return true; raises when the caller does not have it
function mutex:unlock()
  check(self, "unlock")
  if not C.lock_mine(self.name) then C.throw("'unlock': the mutex is not held") end
  if self.depth > 0 then
    self.depth = self.depth - 1
  else
    C.lock_drop(self.name)
  end
  return true
end

--- Makes a mutex.
-- @tparam[opt=MUTEX_NORMAL] int kind MUTEX_NORMAL, MUTEX_RECURSIVE or MUTEX_ERRORCHECK
-- @treturn mutex
function M.mutex(kind)
  if kind == nil then kind = M.MUTEX_NORMAL end
  if kind ~= M.MUTEX_NORMAL and kind ~= M.MUTEX_RECURSIVE and kind ~= M.MUTEX_ERRORCHECK then
    C.arg_error(1, "mutex", "thread.MUTEX_NORMAL, MUTEX_RECURSIVE or MUTEX_ERRORCHECK expected")
  end
  return setmetatable({ name = C.lock_name(), kind = kind, depth = 0 }, M.mutex_meta)
end

rawset(_G, "thread", M)
return M

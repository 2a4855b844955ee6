--- Locks by name, between coroutines of one Lua state, of several, and of pool threads.
-- Whoever holds one is a task: a handler, a timer's function, a function in a pool, what spawn has started, with all coroutines
-- that it runs. A lock is let go when its holder ends, however it ends. Those who wait get it in the order in which they asked.
-- @module msys.lib.lock
local C = select(2, ...)

local AGAIN, RAISE = C.AGAIN, C.RAISE
local error, type = error, type

local M = {}

--- Takes a lock.
-- @return true, or false when it is another's and wait is false; raises when it is the caller's already
local function take(name, fname, wait)
  local r, value = C.lock_take(name, fname, wait)
  if r == AGAIN then return true end
  if r == RAISE then error(value, 0) end
  return r
end
M.take = take

local function check(name, fname)
  if type(name) ~= "string" then C.arg_error(1, fname, "string expected, got " .. (name == nil and "no value" or type(name))) end
  if name:byte() == 0 then C.arg_error(1, fname, "a name cannot begin with a NUL") end
end

--- Takes the lock of that name. Waits while another has it.
-- @tparam string name
-- @return true
function M.lock(name)
  check(name, "lock")
  return take(name, "lock", true)
end

--- Lets it go.
-- @tparam string name
-- @return true; raises when it is not the caller's
function M.unlock(name)
  check(name, "unlock")
  if not C.lock_drop(name) then C.throw(("'unlock': the lock '%s' is not held"):format(name)) end
  return true
end

return M

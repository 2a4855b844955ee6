--- How our Lua files call a C function that may let the task wait.
-- Such a function returns its results, or, when it has waited, (AGAIN, errno) or (RAISE, value).
-- Loops that try again live here, since LuaJIT's C functions cannot go on after a yield.
-- @module httpsrv.wait
local C = select(2, ...)

local AGAIN, RAISE = C.AGAIN, C.RAISE
local error = error
local fail = C.fail

local M = {}

--- Hands on the results of f(a, b, c), calling it again as often as it has waited.
-- @param f the C function
-- @param a,b,c its arguments
-- @param r,... its results
local function again(f, a, b, c, r, ...)
  if r == AGAIN then return again(f, a, b, c, f(a, b, c)) end
  if r == RAISE then error((...), 0) end
  return r, ...
end
M.again = again

--- Hands on the results of a function that has done its work when it waits.
-- @param r,... its results
-- @return true after a wait, or the results; nil, message, code when the wait ended with an error
function M.once(r, ...)
  if r == AGAIN then
    local err = ...
    if err == 0 then return true end
    return fail(err)
  end
  if r == RAISE then error((...), 0) end
  return r, ...
end

--- Waits.
-- @tparam number seconds
-- @return true
function M.sleep(seconds)
  local r, err, code = C.sleep(seconds)
  if r == AGAIN then return true end
  if r == RAISE then error(err, 0) end
  return r, err, code
end

--- Parks the task with a ticket.
-- @param ticket a number from core.ticket
-- @param deadline nil, or a time in the seconds of now()
-- @return true when it was unparked, false when the deadline has passed; raises the cancellation
function M.park(ticket, deadline)
  local r, err = C.park(ticket, deadline)
  if r == RAISE then error(err, 0) end
  return err == 0
end

return M

--- Functions run at a time, each run as a task of its own. A timer goes on when nobody holds it any more; one made while scripts are
-- loaded starts when they go
-- live.
-- @module httpsrv.timer
local C = select(2, ...)

local type = type

local M = { after = C.timer.after, at = C.timer.at }

local numbers = {} -- place -> how many timers of one worker have been made there

local function key_of(name)
  local place = name and "name " .. name or C.where()
  numbers[place] = (numbers[place] or 0) + 1
  local key = place .. "#" .. numbers[place]
  return #key <= 250 and key or key:sub(-250)
end

--- Runs fn every so many seconds.
-- @tparam number seconds
-- @tparam function fn
-- @tparam[opt] string|table options a name, or { name =, once_per_server = true }. With once_per_server one worker at a time runs it
-- for all: the first that
-- comes to it, until that worker stops the timer, reloads or dies; then another goes on, no sooner than the seconds after the last
-- run began. A run in the midst of
-- which a worker dies is not made up for: every run happens at most once, and two never run at a time.
-- @treturn timer
function M.every(seconds, fn, options)
  if type(options) ~= "table" then return C.timer.every(seconds, fn, options) end
  local name, once = options.name, options.once_per_server
  for key in pairs(options) do
    if key ~= "name" and key ~= "once_per_server" then C.arg_error(3, "every", ("unknown option '%s'"):format(tostring(key))) end
  end
  if once ~= nil and type(once) ~= "boolean" then C.arg_error(3, "every", "option 'once_per_server': boolean expected") end
  if name ~= nil and type(name) ~= "string" then C.arg_error(3, "every", "option 'name': string expected") end
  return C.timer.every(seconds, fn, name, once and key_of(name) or nil)
end

return M

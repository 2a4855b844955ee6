-- arg.lua - arguments of a query, checked.
local arg = {}

--- A number from the query string.
-- @param sess the session
-- @param name of the argument
-- @param default what it is when it is missing or no plain decimal number
-- @param min, max the bounds it is brought within
function arg.number(sess, name, default, min, max)
  local values = sess:request_args()[name]
  local text = values and values[1] or ""
  local value = text:match("^%d+%.?%d*$") and tonumber(text) or default
  return math.max(min, math.min(max, value))
end

return arg

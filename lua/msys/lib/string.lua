--- Strings that can be changed, as msys.core.string_new makes them.
-- @module msys.lib.string
local C = select(2, ...)

local type, setmetatable, tostring, newproxy, getmetatable = type, setmetatable, tostring, newproxy, getmetatable

local M = {}

-- A value of their own, since only that of userdata has a length that # gives.
local proto = newproxy(true)
local meta = getmetatable(proto)
local text = setmetatable({}, { __mode = "k" })

--- A string that can be changed: tostring(s) is its text, #s its length in bytes, a .. s a plain string.
-- @type ec_string
local methods = {}

local function check(self, fname)
  if not text[self] then C.throw(("calling '%s' on bad self (ec_string expected, got %s)"):format(fname, type(self))) end
end

local function text_of(value, n, fname)
  if type(value) == "string" or type(value) == "number" then return tostring(value) end
  return text[value] or C.arg_error(n, fname, "string expected, got " .. (value == nil and "no value" or type(value)))
end

--- Replaces the text.
-- @tparam string|number|ec_string value
function methods:set(value)
  check(self, "set")
  text[self] = text_of(value, 1, "set")
end

--- Adds to the text.
-- @tparam string|number|ec_string value
function methods:append(value)
  check(self, "append")
  text[self] = text[self] .. text_of(value, 1, "append")
end

--- Empties it.
function methods:clear()
  check(self, "clear")
  text[self] = ""
end

meta.__index = methods
meta.__tostring = function(self) return text[self] or "ec_string" end
meta.__len = function(self) return #text[self] end
meta.__concat = function(a, b) return text_of(a, 1, "concat") .. text_of(b, 2, "concat") end
meta.__eq = function(a, b) return text[a] == text[b] end
meta.__lt = function(a, b) return text[a] < text[b] end
meta.__le = function(a, b) return text[a] <= text[b] end
meta.__metatable = false
meta.__name = "ec_string"

--- Makes an empty one.
function M.new()
  local s = newproxy(proto)
  text[s] = ""
  return s
end

M.methods = methods
return M

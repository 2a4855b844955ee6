--- Splits Lua source into tokens: that of the reference manual, which is Lua 5.1 with more operators.
-- Nothing is refused here. What cannot be read, such as a string without an end, is one token up to where it breaks off; the compiler that
-- gets the text afterwards says what is wrong with it.
-- @module msys.lexer
local find, sub, byte, match = string.find, string.sub, string.byte, string.match

local M = {}

local keywords = {}
for word in ([[
  and break do else elseif end false for function if in local nil not or repeat return then true until while]]):gmatch("%a+") do
  keywords[word] = true
end

-- Operators and punctuation, longest first.
local three = { ["..."] = true }
local two = {
  [".."] = true, ["=="] = true, ["~="] = true, ["!="] = true, ["<="] = true, [">="] = true, ["<<"] = true, [">>"] = true, ["^^"] = true,
  ["::"] = true,
}

--- The end of the long bracket that opens at a position.
-- @return its last byte, or that of the text when it has no end; nil when none opens there
local function long_bracket(text, at)
  local level = match(text, "^%[(=*)%[", at)
  if not level then return nil end
  local _, stop = find(text, "]" .. level .. "]", at + #level + 2, true)
  return stop or #text
end

--- The end of the short string that opens at a position: its quote, or the last byte before the line's end.
local function short_string(text, at)
  local quote = sub(text, at, at)
  local i = at + 1
  while true do
    i = find(text, "[\\\r\n" .. quote .. "]", i)
    if not i then return #text end
    local c = sub(text, i, i)
    if c == quote then return i end
    if c ~= "\\" then return i - 1 end
    -- A backslash takes the next byte with it, or both of CR LF.
    local pair = sub(text, i + 1, i + 2)
    i = i + ((pair == "\r\n" or pair == "\n\r") and 3 or 2)
  end
end

--- The end of the number that begins at a position, as LuaJIT reads it: whatever sticks to it is part of it.
local function number(text, at)
  local exponent = find(text, "^0[xX]", at) and "[pP]" or "[eE]"
  local i = at
  while true do
    local _, stop = find(text, "^[%w_.\128-\255]+", i)
    if not stop then return i - 1 end
    i = stop + 1
    if not (find(text, "^[+-]", i) and find(text, "^" .. exponent, stop)) then return stop end
    i = i + 1
  end
end

--- Where the text proper begins: past a byte order mark and a first line that begins with #.
function M.start(text)
  local at = find(text, "^\239\187\191") and 4 or 1
  if byte(text, at) == 35 then
    at = find(text, "[\r\n]", at) or #text + 1
  end
  return at
end

--- Splits a text.
-- @tparam string text
-- @treturn table { n =, kind = {}, value = {}, first = {}, last = {} }: for each token its kind ("name", "keyword", "number", "string",
-- "op"), its text, and where that lies. White space and comments lie between.
function M.split(text)
  local kind, value, first, last, n = {}, {}, {}, {}, 0
  local at, size = M.start(text), #text
  while true do
    at = find(text, "[^ \t\r\n\v\f]", at)
    if not at then break end
    local c = sub(text, at, at)
    local k, stop = "op", at
    if find(c, "[%a_\128-\255]") then
      stop = select(2, find(text, "^[%w_\128-\255]+", at))
      k = keywords[sub(text, at, stop)] and "keyword" or "name"
    elseif find(text, "^%.?%d", at) then
      k, stop = "number", number(text, at)
    elseif c == '"' or c == "'" then
      k, stop = "string", short_string(text, at)
    elseif c == "[" and long_bracket(text, at) then
      k, stop = "string", long_bracket(text, at)
    elseif find(text, "^%-%-", at) then
      k = nil
      stop = long_bracket(text, at + 2) or (find(text, "[\r\n]", at) or size + 1) - 1
    elseif three[sub(text, at, at + 2)] then
      stop = at + 2
    elseif two[sub(text, at, at + 1)] then
      stop = at + 1
    end
    if k then
      n = n + 1
      kind[n], value[n], first[n], last[n] = k, sub(text, at, stop), at, stop
    end
    at = stop + 1
  end
  return { n = n, kind = kind, value = value, first = first, last = last }
end

return M

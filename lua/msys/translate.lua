--- Turns source in the reference manual's Lua into LuaJIT's.
-- The manual's interpreter is Lua 5.1 with "!=" and "!", the operators | & ^^ ~ << >> \ on integers, numbers such as 0644 in octal, and
-- backslashes in strings before any character. Precedence is that interpreter's: | & ^^ stand with + and -, << >> \ with * and /, and ~
-- and ! with the other unary operators; all of them group from the left.
--
-- An operator becomes a call in brackets, "a | b" "(bor(a , b))", so that it has one value, is no tail call and no statement. Everything
-- else stays where it is: every token keeps its line, and most keep their column. Only expressions are parsed; statements are what stands
-- between them. Whatever is wrong with a text is left as it is, for the compiler to find it there: an operator goes only when its operands
-- were found.
-- @module msys.translate
local lexer = require "msys.lexer"

local concat, sub, find, gsub = table.concat, string.sub, string.find, string.gsub
local floor, format, tonumber = math.floor, string.format, tonumber

-- The local variable of a translated chunk that holds the functions of msys.operators.
local OPERATORS = "_msys_operators"
local MAX_DEPTH = 200 -- of nested expressions: where LuaJIT gives up at the latest

-- Priorities: { left, right }; an operator takes what follows it with a higher priority than its right one.
local binary = {
  ["or"] = { 1, 1 }, ["and"] = { 2, 2 },
  ["<"] = { 3, 3 }, [">"] = { 3, 3 }, ["<="] = { 3, 3 }, [">="] = { 3, 3 }, ["~="] = { 3, 3 }, ["!="] = { 3, 3 }, ["=="] = { 3, 3 },
  [".."] = { 5, 4 },
  ["+"] = { 6, 6 }, ["-"] = { 6, 6 }, ["|"] = { 6, 6 }, ["&"] = { 6, 6 }, ["^^"] = { 6, 6 },
  ["*"] = { 7, 7 }, ["/"] = { 7, 7 }, ["%"] = { 7, 7 }, ["<<"] = { 7, 7 }, [">>"] = { 7, 7 }, ["\\"] = { 7, 7 },
  ["^"] = { 10, 9 },
}
local UNARY = 8
local unary = { ["-"] = true, ["not"] = true, ["#"] = true, ["~"] = true, ["!"] = true }
local calls = { ["|"] = "bor", ["&"] = "band", ["^^"] = "bxor", ["<<"] = "shl", [">>"] = "shr", ["\\"] = "intdiv" }

-- Behind these an expression may begin. Behind anything else a statement begins, and no statement begins with one of our operators.
local expects = {}
for word in ("= , ( [ { ; return if elseif while until in"):gmatch("%S+") do expects[word] = true end
for op in pairs(binary) do expects[op] = true end

local constants = { ["nil"] = true, ["true"] = true, ["false"] = true, ["function"] = true }
local closers = { ["("] = ")", ["["] = "]", ["{"] = "}" }

-- A text being translated: its tokens, where the parser is, and what is to be put before, after and in the place of each token.
local parser = {}
parser.__index = parser

function parser:op()
  local k = self.kind[self.at]
  return (k == "op" or k == "keyword") and self.value[self.at] or nil
end

--- Has a call of one of our functions put around the tokens from first to the one before the parser.
function parser:wrap(first, name)
  self.before[first] = "(" .. OPERATORS .. "." .. name .. "(" .. (self.before[first] or "")
  local last = self.at - 1
  self.after[last] = (self.after[last] or "") .. "))"
  self.used = true
end

--- Everything up to a closing bracket, which is taken.
-- @tparam ?string closer nil: to the end
function parser:sequence(closer)
  while self.at <= self.n do
    local op = self:op()
    if op and op == closer then
      self.at = self.at + 1
      return
    end
    local k = self.kind[self.at]
    if k == "op" and op == "!=" then
      self.instead[self.at] = "~="
      self.at = self.at + 1
    elseif k ~= "op" and k ~= "keyword" or unary[op] or closers[op] or constants[op] or op == "..." then
      local first = self.at
      local begins = first == 1 or not expects[self.value[first - 1]] or self.kind[first - 1] == "string"
      if not self:expression(0, begins) then self.at = first + 1 end
    else
      self.at = self.at + 1
    end
  end
end

--- A name, a value, a call, an expression in brackets.
-- @return whether there is one; when not, the parser has not moved
function parser:primary()
  local k, op = self.kind[self.at], self:op()
  if k == "number" or k == "string" or constants[op] or op == "..." then
    self.at = self.at + 1
    return true
  end
  if op == "{" then
    self.at = self.at + 1
    self:sequence("}")
    return true
  end
  if k ~= "name" and op ~= "(" then return false end
  self.at = self.at + 1
  if op == "(" then self:sequence(")") end
  while true do
    k, op = self.kind[self.at], self:op()
    if k == "string" then
      self.at = self.at + 1
    elseif closers[op] then
      self.at = self.at + 1
      self:sequence(closers[op])
    elseif (op == "." or op == ":") and self.kind[self.at + 1] == "name" then
      self.at = self.at + 2
    else
      return true
    end
  end
end

--- A unary operator and its operand.
function parser:unary(begins)
  local first, op = self.at, self:op()
  self.at = first + 1
  if not self:expression(UNARY, false) then
    self.at = first
    return false
  end
  if begins and (op == "~" or op == "!") then return true end -- left for the compiler to refuse
  if op == "~" then
    self.instead[first] = ""
    self:wrap(first, "bnot")
  elseif op == "!" then
    self.instead[first] = " not "
  end
  return true
end

--- An expression of operators with a higher priority than limit.
-- @tparam int limit
-- @tparam boolean begins it stands where a statement begins
-- @return whether there is one; when not, the parser has not moved
function parser:expression(limit, begins)
  local first = self.at
  self.depth = self.depth + 1
  local found = self.depth <= MAX_DEPTH and (unary[self:op()] and self:unary(begins) or self:primary())
  while found do
    local at, op = self.at, self:op()
    local priority = op and binary[op]
    if not priority or priority[1] <= limit then break end
    self.at = at + 1
    if not self:expression(priority[2], false) then
      self.at = at
      break
    end
    if op == "!=" then
      self.instead[at] = "~="
    elseif calls[op] and not begins then
      self.instead[at] = #op == 2 and ", " or ","
      self:wrap(first, calls[op])
    end
  end
  self.depth = self.depth - 1
  if not found then self.at = first end
  return found
end

--- UTF-8 of a code point, as \ddd escapes.
local function utf8_escapes(c)
  if c < 0x80 then return format("\\%03d", c) end
  local tail, limit = "", 0x40
  while c >= limit do
    tail = format("\\%03d", 0x80 + c % 64) .. tail
    c = floor(c / 64)
    limit = limit == 0x40 and 0x20 or limit / 2
  end
  -- The lead byte: as many ones as there are bytes.
  return format("\\%03d", 0x100 - limit * 2 + c) .. tail
end

local kept_escapes = {}
for c in ("abfnrtvx\\\"'\r\n0123456789"):gmatch(".") do kept_escapes[c] = true end

--- A short string with LuaJIT's escapes in the place of the manual's.
local function string_literal(text)
  if not find(text, "\\", 1, true) or find(text, "^%[") then return nil end
  local out, i = {}, 1
  while true do
    local at = find(text, "\\", i, true)
    if not at or at == #text then break end
    out[#out + 1] = sub(text, i, at - 1)
    local c = sub(text, at + 1, at + 1)
    local digits = c == "u" and find(text, "^%x%x%x%x", at + 2) and text:match("^%x+", at + 2)
    if digits then
      digits = sub(digits, 1, #digits >= 8 and 8 or #digits >= 6 and 6 or 4)
      out[#out + 1] = utf8_escapes(tonumber(digits, 16))
      i = at + 2 + #digits
    else
      out[#out + 1] = kept_escapes[c] and "\\" .. c or c == "u" and "\\u" or c
      i = at + 2
    end
  end
  out[#out + 1] = sub(text, i)
  return concat(out)
end

--- A number in octal as a decimal one of the same width.
-- @return the text; nil when it is no octal number; nil, true when it would be one but for its digits
local function octal_literal(text)
  if not find(text, "^0%d+$") then return nil end
  if find(text, "[89]") then return nil, true end
  local value = 0
  for digit in text:gmatch("%d") do value = value * 8 + tonumber(digit) end
  local decimal = format("%.0f", value)
  return decimal .. (" "):rep(#text - #decimal)
end

local function line_of(text, at)
  local n = 1
  for _ in sub(text, 1, at - 1):gsub("\r\n", "\n"):gsub("\n\r", "\n"):gmatch("[\r\n]") do n = n + 1 end
  return n
end

--- Replaces literals. nil, line, message when one is malformed.
function parser:literals(text)
  for i = 1, self.n do
    local k = self.kind[i]
    if k == "number" then
      local value, malformed = octal_literal(self.value[i])
      if malformed then return nil, line_of(text, self.first[i]), ("malformed number near '%s'"):format(self.value[i]) end
      self.instead[i] = value
    elseif k == "string" then
      self.instead[i] = string_literal(self.value[i])
    end
  end
  return true
end

--- The text with all that was found out.
function parser:assemble(text)
  local start = lexer.start(text)
  local out, at = {}, 1
  for i = 1, self.n do
    local first, last = self.first[i], self.last[i]
    out[#out + 1] = sub(text, at, first - 1)
    out[#out + 1] = (self.before[i] or "") .. (self.instead[i] or self.value[i])
    out[#out + 1] = self.after[i]
    at = last + 1
  end
  out[#out + 1] = sub(text, at)
  local result = concat(out)
  if not self.used then return result end
  -- Behind a first line that is one for the shell.
  local head = sub(text, 1, start - 1)
  local brk = result:match("^[\r\n]+", start) or ""
  brk = brk:match("^\r\n") or brk:match("^\n\r") or sub(brk, 1, 1)
  return head .. brk .. "local " .. OPERATORS .. '=require"msys.operators";' .. sub(result, start + #brk)
end

local M = {}

--- Whether a text requires one of the manual's modules, "msys" or "msys.…".
local function is_manual(tokens)
  for i = 1, tokens.n - 1 do
    if tokens.value[i] == "require" and tokens.kind[i] == "name" then
      local j = i + 1
      local before = tokens.value[i - 1]
      if tokens.kind[j] == "op" and (tokens.value[j] == "(" or tokens.value[j] == ",") then j = j + 1 end
      if before ~= "." and before ~= ":" and tokens.kind[j] == "string" then
        local name = gsub(tokens.value[j], "^%[=*%[", "'")
        if find(name, "^['\"]msys['\"%]]") or find(name, "^['\"]msys%.") then return true end
      end
    end
  end
  return false
end

--- Translates a text that requires one of the manual's modules.
-- @tparam string text
-- @treturn ?string LuaJIT's Lua of as many lines; nil when the text is none of the manual's; nil, line, message for a malformed number
function M.translate(text)
  local tokens = lexer.split(text)
  if not is_manual(tokens) then return nil end
  return M.expressions(text, tokens)
end

--- The same for any text.
function M.expressions(text, tokens)
  local p = tokens or lexer.split(text)
  p.at, p.depth, p.used = 1, 0, false
  p.before, p.after, p.instead = {}, {}, {}
  setmetatable(p, parser)
  local ok, line, message = p:literals(text)
  if not ok then return nil, line, message end
  p:sequence(nil)
  return p:assemble(text)
end

return M

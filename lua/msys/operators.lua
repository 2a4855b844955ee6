--- What the manual's operators do: | & ^^ ~ << >> \ as functions.
-- Operands are cut to integers of 64 bits; the result is a number. Strings that are numbers count as those. For other values the
-- metamethods __or, __and, __xor, __not, __shl, __shr and __intdiv are called. Small integers take LuaJIT's 32-bit operations, which it
-- compiles to one instruction.
-- @module msys.operators
local C = select(2, ...)
local bit, ffi = require "bit", require "ffi"

local tobit, bor, band, bxor, bnot, arshift, lshift = bit.tobit, bit.bor, bit.band, bit.bxor, bit.bnot, bit.arshift, bit.lshift
local tonumber, type, floor, cast = tonumber, type, math.floor, ffi.cast
local getmetatable = debug.getmetatable
local int64 = ffi.typeof "int64_t"

local M = {}

local function is_small(a)
  return type(a) == "number" and tobit(a) == a
end

local function number_of(v)
  if type(v) == "number" then return v end
  return type(v) == "string" and tonumber(v) or nil
end

local function metamethod(v, event)
  local mt = getmetatable(v)
  return mt and mt[event]
end

--- What is done with operands that are no numbers.
local function other(event, kind, a, b)
  local fn = metamethod(a, event) or metamethod(b, event)
  if fn then return fn(a, b) end
  local culprit = a
  if number_of(a) then culprit = b end
  C.throw(("attempt to perform %s on a %s value"):format(kind, type(culprit)))
end

--- An operation on integers, in general.
local function bitwise(event, op)
  return function(a, b)
    local x, y = number_of(a), number_of(b)
    if not (x and y) then return other(event, "a bitwise operation", a, b) end
    return tonumber(op(cast(int64, x), cast(int64, y)))
  end
end

local bor64, band64, bxor64 = bitwise("__or", bor), bitwise("__and", band), bitwise("__xor", bxor)
-- Counts are taken modulo 64, as the processor does.
local shl64 = bitwise("__shl", function(x, y) return lshift(x, tonumber(y) % 64) end)
local shr64 = bitwise("__shr", function(x, y) return arshift(x, tonumber(y) % 64) end)
local bnot64 = bitwise("__not", function(x) return bnot(x) end)

--- a | b
function M.bor(a, b)
  if is_small(a) and is_small(b) then return bor(a, b) end
  return bor64(a, b)
end

--- a & b
function M.band(a, b)
  if is_small(a) and is_small(b) then return band(a, b) end
  return band64(a, b)
end

--- a ^^ b
function M.bxor(a, b)
  if is_small(a) and is_small(b) then return bxor(a, b) end
  return bxor64(a, b)
end

--- a << b
function M.shl(a, b)
  return shl64(a, b)
end

--- a >> b: the sign is kept
function M.shr(a, b)
  if is_small(a) and is_small(b) and b >= 0 and b < 32 then return arshift(a, b) end
  return shr64(a, b)
end

--- ~a
function M.bnot(a)
  if is_small(a) then return bnot(a) end
  return bnot64(a, a)
end

--- a \ b: the quotient, rounded down
function M.intdiv(a, b)
  local x, y = number_of(a), number_of(b)
  if not (x and y) then return other("__intdiv", "arithmetic", a, b) end
  return floor(x / y)
end

return M

--- Finds assignments to global variables in compiled code, also in functions that have not run.
-- Reads LuaJIT's bytecode: what an instruction that sets a global looks like is learnt from a chunk that does.
-- @module httpsrv.check
local C = select(2, ...)
local util = require "jit.util"

local band = bit.band

--- The opcode of "set global": the one instruction that "x = 1" has and "local x = 1" has not.
local function learn_opcode()
  local known = {}
  local plain = loadstring("local x = 1")
  for pc = 0, util.funcinfo(plain).bytecodes - 1 do known[band(util.funcbc(plain, pc), 0xff)] = true end
  local setter = loadstring("x = 1")
  for pc = 0, util.funcinfo(setter).bytecodes - 1 do
    local op = band(util.funcbc(setter, pc), 0xff)
    if not known[op] then return op end
  end
end

local GSET = learn_opcode()

local function scan(fn, found)
  local info = util.funcinfo(fn)
  for pc = 1, info.bytecodes - 1 do
    local ins = util.funcbc(fn, pc)
    if ins and band(ins, 0xff) == GSET then
      local name = util.funck(fn, -bit.rshift(ins, 16) - 1)
      local place = util.funcinfo(fn, pc)
      found[#found + 1] = { name = name, line = place.currentline, source = place.source }
    end
  end
  if not info.children then return end
  for i = -1, -info.gcconsts, -1 do
    local k = util.funck(fn, i)
    if type(k) == "proto" then scan(k, found) end
  end
end

--- Reports every assignment to a global in a chunk and its functions.
-- @tparam function fn a Lua function that has not been compiled by the JIT yet
return function(fn)
  local found = {}
  scan(fn, found)
  for _, f in ipairs(found) do
    local source = tostring(f.source):gsub("^@", "")
    C.report("global", ("%s:%d: assigns to the global variable '%s'"):format(source, f.line, f.name))
  end
  return #found
end

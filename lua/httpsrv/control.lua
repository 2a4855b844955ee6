--- Commands for a running server: httpsrv ctl NAME ARG...
-- @module httpsrv.control
local C = select(2, ...)

local type, select, tostring, concat, setmetatable = type, select, tostring, table.concat, setmetatable

local M = {}

local commands = {} -- prefix -> function
local MAX_WORDS = 8

--- A command that is being carried out. While its function runs, print goes to whoever has sent it.
-- @type command
local command = {}
local command_mt = { __index = command, __name = "command" }

--- Writes the values as print does, for the stdout of whoever has sent the command.
function command:print(...)
  local parts = {}
  for i = 1, select("#", ...) do parts[i] = tostring((select(i, ...))) end
  self.write(concat(parts, "\t") .. "\n", false)
end

--- The same for stderr.
function command:complain(...)
  local parts = {}
  for i = 1, select("#", ...) do parts[i] = tostring((select(i, ...))) end
  self.write(concat(parts, "\t") .. "\n", true)
end
function command_mt:__tostring() return "command " .. tostring(self.argv[0]) end

--- Registers a command.
-- @tparam string prefix its name, or the words that it begins with, with single blanks between; the longest that fits is taken
-- @tparam function fn called with a command: its field argc counts the words, argv has them from 0 on (nil past the last). Runs as a task
-- of its own, may wait, and is cancelled when whoever has sent the command goes away. It returns the exit status: nothing or true is 0,
-- false is 1, else a number up to 255. An error is told and logged, and the status is 1.
function M.register(prefix, fn)
  if type(prefix) ~= "string" then C.arg_error(1, "register_control", "string expected, got " .. type(prefix)) end
  if type(fn) ~= "function" then C.arg_error(2, "register_control", "function expected, got " .. type(fn)) end
  local words = select(2, prefix:gsub("%S+", ""))
  if prefix == "" or prefix:find("%z") or prefix:find("^ ") or prefix:find("%s$") or prefix:find("%s%s") or prefix:find("[^%S ]")
    or words > MAX_WORDS then
    C.arg_error(1, "register_control", "words with single blanks between expected")
  end
  if commands[prefix] then
    if C.phase() == "check" then
      C.report("duplicate", C.where() .. ("the command '%s' is registered already"):format(prefix))
      return true
    end
    C.throw(("the command '%s' is registered already"):format(prefix))
  end
  commands[prefix] = fn
  return true
end

--- Finds a command.
-- @tparam table argv from 0
-- @tparam int argc
-- @treturn ?function that carries it out
function C.control_find(argv, argc)
  for n = argc < MAX_WORDS and argc or MAX_WORDS, 1, -1 do
    local fn = commands[concat(argv, " ", 0, n - 1)]
    if fn then
      local cc = setmetatable({ argc = argc, argv = argv, write = C.control_write }, command_mt)
      return function() return fn(cc) end
    end
  end
end

--- All prefixes, sorted.
function C.control_names()
  local names = {}
  for prefix in pairs(commands) do names[#names + 1] = prefix end
  table.sort(names)
  return names
end

M.methods = command
return M

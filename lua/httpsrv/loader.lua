--- require, dofile, load and their like as Lua functions, so that what they run may wait.
-- Bytecode is refused unless the caller asks for it by mode.
-- @module httpsrv.loader
local C = select(2, ...)
local wait = require "httpsrv.wait"

local package, type, error, pcall, tostring, concat = package, type, error, pcall, tostring, table.concat
local raw_load, raw_loadstring, select = load, loadstring, select

local M = {}

-- Modules that are being loaded: name -> { task =, tickets = {} }; and which of them a task waits for.
local loading, waits_for = {}, {}

--- A searcher as package.loaders has them, over package.path.
local function search_lua(name)
  if type(package.path) ~= "string" then error("'package.path' must be a string", 0) end
  local file, tried = package.searchpath(name, package.path)
  if not file then return tried end
  local fn, err = C.loadfile(file, "t")
  if not fn then
    error(("error loading module '%s' from file '%s':\n\t%s"):format(name, file, err), 0)
  end
  if C.phase() == "check" then C.check_chunk(fn) end
  return fn
end

local function find_loader(name)
  local loaders = package.loaders
  if type(loaders) ~= "table" then error("'package.loaders' must be a table", 0) end
  local tried = {}
  for i = 1, math.huge do
    local searcher = loaders[i]
    if searcher == nil then
      C.throw(("module '%s' not found:%s"):format(name, concat(tried)))
    end
    local found = searcher(name)
    if type(found) == "function" then return found end
    if type(found) == "string" then tried[#tried + 1] = found end
  end
end

--- Waits until another task has loaded the module, or has failed to.
local function wait_for(name, busy)
  local me = C.task_self()
  local other = busy
  while other do
    if other.task == me then
      C.throw(("loop while loading module '%s'"):format(name))
    end
    other = waits_for[other.task]
  end
  local ticket = C.ticket()
  busy.tickets[#busy.tickets + 1] = ticket
  waits_for[me] = busy
  local ok, err = pcall(wait.park, ticket)
  waits_for[me] = nil
  if not ok then error(err, 0) end
end

local function load_module(name)
  local loader = find_loader(name)
  local record = { task = C.task_self(), tickets = {} }
  loading[name] = record
  local ok, result = pcall(loader, name)
  loading[name] = nil
  for _, ticket in ipairs(record.tickets) do C.unpark(ticket) end
  if not ok then error(result, 0) end
  local loaded = package.loaded
  if result ~= nil then
    loaded[name] = result
  elseif not loaded[name] then
    loaded[name] = true
  end
  return loaded[name]
end

--- As require. A module may wait while it loads; whoever asks for it meanwhile waits too.
-- @tparam string name
-- @return what the module returned, or true
function M.require(name)
  if type(name) == "number" then name = tostring(name) end
  if type(name) ~= "string" then C.arg_error(1, "require", "string expected, got " .. type(name)) end
  while true do
    local module = package.loaded[name]
    if module then return module end
    local busy = loading[name]
    if not busy then return load_module(name) end
    wait_for(name, busy)
  end
end

--- As dofile.
function M.dofile(name)
  local fn, err = C.loadfile(name, "t")
  if not fn then error(err, 0) end
  return fn()
end

--- As loadfile of Lua 5.2.
function M.loadfile(name, mode, ...)
  return C.loadfile(name, mode or "t", ...)
end

--- As load of Lua 5.2. A function that gives the pieces may wait.
function M.load(chunk, name, mode, env)
  if type(chunk) == "function" then
    local pieces = {}
    while true do
      local piece = chunk()
      if piece == nil or piece == "" then break end
      if type(piece) ~= "string" then return nil, "reader function must return a string" end
      pieces[#pieces + 1] = piece
    end
    chunk = concat(pieces)
    name = name or "=(load)"
  end
  return raw_load(chunk, name, mode or "t", env)
end

--- As loadstring, with a mode.
function M.loadstring(chunk, name, mode)
  return raw_loadstring(chunk, name, mode or "t")
end

--- As print: to the log, or to stdout under httpsrv lua.
function M.print(...)
  local n = select("#", ...)
  local parts = {}
  for i = 1, n do
    local text = tostring((select(i, ...)))
    if type(text) ~= "string" then error("'tostring' must return a string to 'print'", 2) end
    parts[i] = text
  end
  local separator = C.print_separator()
  local line = concat(parts, separator)
  if separator ~= "\t" then line = line:gsub("%z", "^@") end -- a line of the log ends at a NUL
  C.print(line)
end

--- Puts all of them in their places.
function M.install()
  local G = _G
  for _, name in ipairs { "require", "dofile", "loadfile", "load", "loadstring", "print" } do G[name] = M[name] end
  rawset(os, "exit", C.exit)
  package.loaders[2] = search_lua
end

return M

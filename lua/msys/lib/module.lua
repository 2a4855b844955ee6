--- msys.registerModule: a script's functions for the beginning and the end of its life.
-- @module msys.lib.module
local C = select(2, ...)
local httpsrv = require "httpsrv"

local type, error = type, error

local M = {}

local registered = {}

--- Calls one of the functions that must succeed.
local function call(name, mod, what)
  local fn = mod[what]
  if fn == nil then return end
  local result = fn(mod)
  if result ~= true then error(("module '%s': %s has failed: it must return true"):format(name, what), 0) end
end

local function begin(name, mod)
  if not httpsrv.in_pool() then call(name, mod, "init") end
  call(name, mod, "rsrc_setup")
  if mod.deinit and not httpsrv.in_pool() then
    httpsrv.on_unload(function()
      if mod:deinit() ~= true then C.log("warn", ("module '%s': deinit has failed: it must return true"):format(name)) end
    end)
  end
end

--- Registers a module. When the script's file has been run, mod:init() is called, then mod:rsrc_setup(); endpoints, timers and
-- commands can be made in either. Each must return true, else the scripts are not taken. mod:deinit() is called when the scripts
-- are replaced or the server stops. In the states of pool threads only rsrc_setup is called. All of them may be left out; others,
-- of a mail server, are not called.
-- @tparam string name
-- @tparam table mod
-- @return true
function M.register(name, mod)
  if type(name) ~= "string" then C.arg_error(1, "registerModule", "string expected, got " .. (name == nil and "no value" or type(name))) end
  if type(mod) ~= "table" then C.arg_error(2, "registerModule", "table expected, got " .. (mod == nil and "no value" or type(mod))) end
  for _, key in ipairs { "init", "deinit", "rsrc_setup" } do
    if mod[key] ~= nil and type(mod[key]) ~= "function" then C.arg_error(2, "registerModule", key .. ": function expected") end
  end
  if registered[name] then C.throw(("the module '%s' is registered already"):format(name)) end
  registered[name] = true
  if C.at_file_end(function() begin(name, mod) end) then return true end
  begin(name, mod)
  return true
end

return M

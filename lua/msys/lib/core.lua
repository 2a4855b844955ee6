--- msys.core: what the manual's C API is in Lua, as far as it is not of a mail server.
-- @module msys.lib.core
local C = select(2, ...)
local io = require "httpsrv.io"
local strings = require "msys.lib.string"

local type, next, pairs, setmetatable = type, next, pairs, setmetatable

local M = {}

-- O_RDONLY and so on. O_BINARY says nothing on this system; O_RDRW is how the manual spells O_RDWR in one place.
for name, value in pairs(io) do
  if type(value) == "number" and name:find("^O_") then M[name] = value end
end
M.O_BINARY, M.O_RDRW = 0, M.O_RDWR

--- Where the completion function of msys.runInPool runs.
M.ECTP_COMPLETE_CALLBACK, M.ECTP_COMPLETE_CALLBACK_SCHED = 3, 6

--- What the functions of msys.registerAuth return.
M.EC_AUTH_ERROR, M.EC_AUTH_FAIL, M.EC_AUTH_OK = -1, 0, 1

--- What handlers return; ours may return anything.
M.EC_HTTPSRV_HANDLER_DONE = 0

--- Seconds since 1970.
-- @function msys.core.get_now_ts
-- @treturn int
M.get_now_ts = C.walltime

--- An empty string that can be changed.
-- @function msys.core.string_new
-- @see msys.lib.string
M.string_new = strings.new

-- Writing as the manual's ios do it: only some ios, and only once there are any.

local methods = C.io_meta.__index
local write = methods.write

local function manual_write(self, buf, len)
  if type(buf) ~= "string" then C.arg_error(1, "write", "string expected, got " .. (buf == nil and "no value" or type(buf))) end
  if type(len) ~= "number" or len < 0 or len % 1 ~= 0 then C.arg_error(2, "write", "number of bytes expected") end
  if len > #buf then C.arg_error(2, "write", ("%d bytes of a string of %d"):format(len, #buf)) end
  return write(self, buf:sub(1, len))
end

local function write_either(self, ...)
  if select("#", ...) == 2 and type((select(2, ...))) == "number" and C.io_is_manual(self) then return manual_write(self, ...) end
  return write(self, ...)
end

--- Opens a file, or what a scheme stands for. Waits.
-- The io is one of httpsrv.io's; but write(buf, len) writes the first len bytes of buf.
-- @tparam string name relative names are below the script directory
-- @tparam[opt=O_RDONLY] int options O_CREAT | O_APPEND | O_WRONLY and so on
-- @tparam[opt] int mode permissions of a file that is created, such as 0644
-- @treturn[1] io
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code
function M.io_wrapper_open(name, options, mode)
  if type(name) ~= "string" then
    C.arg_error(1, "io_wrapper_open", "string expected, got " .. (name == nil and "no value" or type(name)))
  end
  if options ~= nil and type(options) ~= "number" then C.arg_error(2, "io_wrapper_open", "number expected, got " .. type(options)) end
  if mode ~= nil and type(mode) ~= "number" then C.arg_error(3, "io_wrapper_open", "number expected, got " .. type(mode)) end
  local handle, msg, code = io.open(name, options or M.O_RDONLY, mode)
  if not handle then return nil, msg, code end
  C.io_mark_manual(handle)
  return handle
end

-- An io that was opened in another state of this process is written to in the same way here.
methods.write = write_either

local iterator = { __name = "ECDict_Iterator" }

local function check_dict(dict, fname)
  if type(dict) ~= "table" then C.arg_error(1, fname, "dictionary expected, got " .. (dict == nil and "no value" or type(dict))) end
end

local function check_iterator(iter, fname)
  if getmetatable(iter) ~= iterator then C.arg_error(2, fname, "iterator expected, got " .. (iter == nil and "no value" or type(iter))) end
end

--- Begins to walk a dictionary, such as the attrs of session:request_url_get().
-- @tparam table dict
-- @return an iterator for dict_next
function M.dict_iter2(dict)
  check_dict(dict, "dict_iter2")
  return setmetatable({ last = nil, ended = false }, iterator)
end

--- The next pair. Values may change and keys be removed on the way.
-- @treturn[1] int 1
-- @treturn[1] string key
-- @treturn[1] string value
-- @treturn[2] int 0 at the end
function M.dict_next(dict, iter)
  check_dict(dict, "dict_next")
  check_iterator(iter, "dict_next")
  if iter.ended then return 0 end
  local key, value = next(dict, iter.last)
  if key == nil then
    iter.ended = true
    return 0
  end
  iter.last = key
  return 1, key, value
end

--- Ends the walk: dict_next gives 0 from then on. Nothing is lost when it is not called.
function M.dict_iter2_free(dict, iter)
  check_dict(dict, "dict_iter2_free")
  check_iterator(iter, "dict_iter2_free")
  iter.ended, iter.last = true, nil
end

return M

--- httpsrv.io: sources and sinks of bytes. Reads and writes wait where they have to; the world's failures are nil, message, code.
-- @module httpsrv.io
local C = select(2, ...)
local again = require("httpsrv.wait").again

local type, select, error, unpack, setmetatable, tostring = type, select, error, unpack, setmetatable, tostring
local fill, take, line, number, some = C.io_fill, C.io_take, C.io_line, C.io_number, C.io_some
local io_write, io_flush, io_seek, buffered = C.io_write, C.io_flush, C.io_seek, C.io_buffered

local M = {}
for name, value in pairs(C.io_constants) do M[name] = value end

--- An io_object.
-- @type io
local methods = {}

local CHUNK = 65536

local function read_line(self, keep)
  local text = line(self, false, keep)
  while not text do
    -- One byte more than there is: whatever arrives is looked at.
    local want = buffered(self) + 1
    local ok, msg, code = again(fill, self, want, false, fill(self, want, false))
    if ok == nil then return nil, msg, code end
    text = line(self, not ok, keep)
    if not ok then return text end
  end
  return text
end

local function read_number(self)
  local ended = false
  while true do
    local value = number(self, ended)
    if value then return value end
    if value == false or ended then return nil end
    local want = buffered(self) + 1
    local ok, msg, code = again(fill, self, want, false, fill(self, want, false))
    if ok == nil then return nil, msg, code end
    ended = not ok
  end
end

local function read_count(self, n)
  if n == 0 then
    local ended, msg, code = C.io_at_end(self)
    if msg then return nil, msg, code end
    return not ended and "" or nil
  end
  local ok, msg, code = again(fill, self, n, true, fill(self, n, true))
  if ok == nil then return nil, msg, code end
  local text = take(self, n)
  if text == "" and not ok then return nil end
  return text
end

local function read_all(self)
  local ok, msg, code = again(fill, self, math.huge, false, fill(self, math.huge, false))
  if ok == nil then return nil, msg, code end
  return take(self, math.huge)
end

local function read_one(self, format, n)
  if type(format) == "number" then
    if format < 0 or format ~= format then C.arg_error(n, "read", "count cannot be negative") end
    return read_count(self, math.floor(format))
  end
  if type(format) == "string" then
    local letter = format:match("^%*?([lLan])")
    if letter == "l" then return read_line(self, false) end
    if letter == "L" then return read_line(self, true) end
    if letter == "a" then return read_all(self) end
    if letter == "n" then return read_number(self) end
  end
  C.arg_error(n, "read", "invalid format")
end

--- As file:read: "*l" a line (without arguments), "*L" the same with its newline, "*a" all, "*n" a number, n up to so many bytes.
-- Waits until all of it is there or the io has ended; read(0) does not wait.
-- @return one value for each format, nil for the first that could not be read; nil, message, code after an error
function methods:read(...)
  local n = select("#", ...)
  if n == 0 then return read_line(self, false) end
  if n == 1 then return read_one(self, (...), 1) end
  local results = {}
  for i = 1, n do
    local value, msg, code = read_one(self, (select(i, ...)), i)
    if value == nil then
      if msg then return nil, msg, code end
      return unpack(results, 1, i)
    end
    results[i] = value
  end
  return unpack(results, 1, n)
end

--- Iterates over what arrives, piece by piece as it comes.
-- @tparam[opt=65536] int n most bytes in a piece
-- @treturn function iterator; an error of the io is raised
function methods:chunks(n)
  if n == nil then n = CHUNK end
  if not (type(n) == "number" and n >= 1) then C.arg_error(1, "chunks", "positive number expected") end
  return function()
    local piece, msg = again(some, self, n, nil, some(self, n))
    if piece == nil and msg then C.throw(msg) end
    return piece
  end
end

--- Iterates over lines, without their newlines.
-- @treturn function iterator; an error of the io is raised
function methods:lines()
  return function()
    local text, msg = read_line(self, false)
    if text == nil and msg then C.throw(msg) end
    return text
  end
end

--- Writes strings and numbers, all of them; waits while the io cannot take more.
-- @return the io; nil, message, code after an error
function methods:write(...)
  for i = 1, select("#", ...) do
    local piece = select(i, ...)
    local offset, n = 0, type(piece) == "string" and #piece or nil
    repeat
      local r, msg, code = io_write(self, piece, offset, i)
      if type(r) ~= "number" then
        -- It waits: (again, …) until the write has been tried anew.
        r, msg, code = again(function(s, p, o) return io_write(s, p, o, i) end, self, piece, offset, r, msg, code)
      end
      if r == nil then return nil, msg, code end
      offset = r
      n = n or #tostring(piece)
    until offset >= n
  end
  return self
end

--- Waits until what was written has been handed on.
-- @return true; nil, message, code
function methods:flush()
  return again(io_flush, self, nil, nil, io_flush(self))
end

--- As file:seek.
-- @tparam[opt="cur"] string whence "set", "cur" or "end"
-- @tparam[opt=0] int offset bytes
-- @return the position; nil, message, code ("ESPIPE" where there is none)
function methods:seek(whence, offset)
  return again(io_seek, self, whence, offset, io_seek(self, whence, offset))
end

--- Total size in bytes; nil, message, code where it is not known.
methods.size = C.io_size
--- Drops the script's reference: a response that streams the io goes on. Later calls give nil, "io is closed", "EBADF".
methods.close = C.io_close
--- A second io on the same bytes, with a position of its own, at first at the start.
methods.clone = C.io_clone

C.io_meta.__index = methods

-- Schemes defined by scripts: name -> methods.
local SLASH = ("/"):byte()
local schemes = {}

local modes = {
  r = M.O_RDONLY,
  w = M.O_WRONLY + M.O_CREAT + M.O_TRUNC,
  a = M.O_WRONLY + M.O_CREAT + M.O_APPEND,
  ["r+"] = M.O_RDWR,
  ["w+"] = M.O_RDWR + M.O_CREAT + M.O_TRUNC,
  ["a+"] = M.O_RDWR + M.O_CREAT + M.O_APPEND,
}

local function open_defined(def, name, flags, perm)
  local state, msg, code = def.open(name, flags, perm)
  if state == nil then return nil, msg or "cannot be opened", code or "EIO" end
  local size = def.size and def.size(state)
  return C.io_wrap({ methods = def, state = state }, size)
end

local function open_once(name, flags, perm)
  local io = C.io_box()
  local r, err, code = C.io_open(io, name, flags, perm)
  if r == C.RAISE then error(err, 0) end
  if r ~= C.AGAIN then return r, err, code end
  if err ~= 0 then return C.fail(err) end
  return io
end

--- Opens a file, or what a scheme ("name://…") stands for. Relative names are below the script directory. Waits.
-- @tparam string name
-- @tparam[opt="r"] string|int mode as io.open's, or flags: O_RDONLY and so on, added up
-- @tparam[opt=438] int perm permissions of a file that is created (438 is octal 666)
-- @return io; nil, message, code
function M.open(name, mode, perm)
  if type(name) ~= "string" then C.arg_error(1, "open", "string expected, got " .. type(name)) end
  local flags = mode
  if mode == nil then
    flags = M.O_RDONLY
  elseif type(mode) == "string" then
    flags = modes[mode] or modes[(mode:gsub("b", "", 1))]
  end
  if type(flags) ~= "number" then C.arg_error(2, "open", "mode or flags expected") end
  if perm == nil then perm = 438 end
  local path = name
  if name:byte() ~= SLASH then -- most names begin with one, and nothing else has to be looked at
    local scheme = name:match("^([%a][%w+.-]*)://")
    local def = scheme and schemes[scheme]
    if def then return open_defined(def, name, flags, perm) end
    path = C.io_path(name)
  end
  local io, msg, code = open_once(path, flags, perm)
  if not io and (code == "EMFILE" or code == "ENFILE") then
    collectgarbage() -- ios that nobody holds any more still have their descriptors
    io, msg, code = open_once(path, flags, perm)
  end
  return io, msg, code
end

--- A read-only io on a string.
M.memory = C.io_memory
--- Both ends of a pipe.
-- @return reader, writer; nil, message, code
M.pipe = C.io_pipe
--- An io on an open descriptor, which belongs to the io from then on.
M.fdopen = C.io_fdopen
--- A readable and writable unnamed temporary file.
M.tmpfile = C.io_tmpfile
--- The bytes of several ios, one after the other. They are in use from then on.
M.concat = C.io_concat
--- The bytes from first to last (counted from 0, last included; without it, to the end). The io is in use from then on.
M.range = C.io_range
--- What another io gives, compressed with gzip. The io is in use from then on.
M.gzip = C.io_gzip

--- A source whose bytes a function writes: fn(write), run as a task of its own when the first byte is asked for. write(...) takes
-- strings and numbers and waits while nobody takes them. When nobody reads any more the task is cancelled; its error is the reader's.
-- @tparam function fn
-- @treturn io
M.generator = C.io_generator

function C.generator_run(fn, writer)
  local write, once = C.generator_write, require("httpsrv.wait").once
  local function write_all(...)
    for i = 1, select("#", ...) do
      local ok, msg, code = once(write(writer, (select(i, ...)), i))
      if not ok then return nil, msg, code end
    end
    return true
  end
  fn(write_all)
end

--- Connects to "host:port" (an address, no name), "[v6]:port" or "unix:/path". Waits until the connection stands.
-- @tparam string address
-- @return io; nil, message, code
function M.connect(address)
  local io, msg, code = C.io_connect(address)
  if not io then return nil, msg, code end
  local ok
  ok, msg, code = again(C.io_connected, io, nil, nil, C.io_connected(io))
  if not ok then
    io:close()
    return nil, msg, code
  end
  return io
end

--- A child process.
-- @type child
local child = {}
local child_mt = { __index = child, __name = "child" }

--- Starts a program. It is killed with the session in whose handler it was started.
-- @tparam table argv the program (looked up in PATH) and its arguments
-- @return child with the fields stdin and stdout, both ios; nil, message, code
function M.popen(argv)
  if type(argv) ~= "table" then C.arg_error(1, "popen", "table expected, got " .. type(argv)) end
  local handle, stdin, stdout = C.popen(argv)
  if not handle then return nil, stdin, stdout end
  return setmetatable({ handle = handle, stdin = stdin, stdout = stdout }, child_mt)
end

--- Waits for the child's end.
-- @return its exit status; or nil, "killed by signal N", N
function child:wait()
  return again(C.child_wait, self.handle, nil, nil, C.child_wait(self.handle))
end

--- Sends a signal to the child's process group.
-- @tparam[opt=15] int signal
-- @return true; nil, message, code
function child:kill(signal) return C.child_kill(self.handle, signal) end
function child_mt.__tostring() return "child process" end

--- Defines a scheme for this Lua state: names "scheme://…" given to open are its own from then on.
-- The functions may wait. Those that fail return nil, message, code.
-- @tparam table def scheme = name; open(name, flags, perm) -> state, anything but nil; read(state, n) -> a string, nil at the end;
-- write(state, string) -> true; close(state); size(state) -> bytes, asked once. All but scheme and open may be left out.
function M.define(def)
  if type(def) ~= "table" then C.arg_error(1, "define", "table expected, got " .. type(def)) end
  local scheme = def.scheme
  if type(scheme) ~= "string" or not scheme:match("^%a[%w+.-]*$") then
    C.arg_error(1, "define", "scheme: a name of letters, digits, '+', '-' and '.' expected")
  end
  for _, key in ipairs { "open", "read", "write", "close", "size" } do
    if def[key] ~= nil and type(def[key]) ~= "function" then C.arg_error(1, "define", key .. ": function expected") end
  end
  if not def.open then C.arg_error(1, "define", "open: function expected") end
  if schemes[scheme] or C.io_scheme_known(scheme) then
    return nil, ("scheme '%s' exists already"):format(scheme), "EEXIST"
  end
  local copy = {}
  for k, v in pairs(def) do copy[k] = v end
  schemes[scheme] = copy
  return true
end

function C.define_call(io, kind, arg)
  local fn = io.methods[kind]
  if fn then return fn(io.state, arg) end
  if kind == "close" then return true end
  return nil, "not supported", "ENOTSUP"
end

return M

--- A server as a child process and a client that speaks raw HTTP/1.1 to it.
-- The server is the program that runs the spec. It listens at a unix socket and at a TCP port, both of its own, and serves either a
-- folder or files that the spec gives as text. What its handlers do comes from the spec too: see spec/handlers/code.lua.
local ffi = require "ffi"
local cjson = require "cjson"
local httpsrv = require "httpsrv"

local M = {}

local START_SECONDS, STOP_SECONDS, READ_SECONDS = 20, 5, 15

ffi.cdef [[
struct spec_sockaddr_un { unsigned short family; char path[108]; };
int socket(int domain, int type, int protocol);
int connect(int fd, const struct spec_sockaddr_un *address, unsigned int size);
int shutdown(int fd, int how);
]]
local AF_UNIX, SOCK_STREAM, SHUT_WR = 1, 1, 1

--- Runs fn as a task; raises its error, or that it took too long.
function M.within(seconds, fn)
  local task = httpsrv.spawn(fn)
  local ok, err = task:wait(httpsrv.now() + seconds)
  if ok == nil then
    task:cancel()
    error("took longer than " .. seconds .. " s", 2)
  elseif not ok then
    error(err, 0)
  end
end

--- The same as a function for it().
function M.timed(fn, seconds)
  return function() M.within(seconds or 30, fn) end
end

--- Calls fn until it returns something true, which is returned; fails after so many seconds.
function M.eventually(fn, seconds)
  local deadline = httpsrv.now() + (seconds or 10)
  while true do
    local value, why = fn()
    if value then return value end
    if httpsrv.now() > deadline then error("did not come about" .. (why and ": " .. tostring(why) or ""), 2) end
    httpsrv.sleep(0.01)
  end
end

--- Runs a shell script to its end.
-- @return exit status, its output
function M.shell(script, ...)
  local child = assert(httpsrv.io.popen({ "sh", "-c", script, "sh", ... }))
  child.stdin:close()
  local text = assert(child.stdout:read("*a"))
  return child:wait(), text
end

-- The process that runs the spec is the parent of this shell.
local SELF = 'exec "$(readlink "/proc/$PPID/exe")" "$@"'

--- Runs the program itself to its end.
-- @return exit status, stdout and stderr as one text
function M.run(...)
  return M.shell(SELF .. " 2>&1", ...)
end

--- Makes a folder with files: { name = text }.
function M.folder(files)
  local _, dir = M.shell("mktemp -d")
  dir = dir:gsub("\n$", "")
  for name, text in pairs(files or {}) do
    local parent = name:match("^(.*)/")
    if parent then M.shell('mkdir -p "$1"', dir .. "/" .. parent) end
    local file = assert(io.open(dir .. "/" .. name, "w"))
    assert(file:write(text))
    file:close()
  end
  return dir
end

--- Removes a folder.
function M.remove(dir) M.shell('rm -rf "$1"', dir) end

-- A connection.
local conn = {}
conn.__index = conn

--- Sends bytes as they are.
function conn:send(...) return self.io:write(...) end

--- Sends a request.
-- @param options headers = { "Name: value", ... }, body = string, version = "1.0", host = false
function conn:request(method, target, options)
  options = options or {}
  local lines = { ("%s %s HTTP/%s"):format(method, target, options.version or "1.1") }
  if options.host ~= false then lines[#lines + 1] = "Host: example.test" end
  for _, line in ipairs(options.headers or {}) do lines[#lines + 1] = line end
  if options.body then lines[#lines + 1] = "Content-Length: " .. #options.body end
  return self:send(table.concat(lines, "\r\n"), "\r\n\r\n", options.body or "")
end

--- Says that no more will be sent. Only connections made with half_close can do it.
function conn:half_close() assert(ffi.C.shutdown(self.fd, SHUT_WR) == 0) end

function conn:close() self.io:close() end

--- Whether nothing arrives for so long.
function conn:silent(seconds)
  local task = httpsrv.spawn(function() return self.io:read(1) end)
  local ended = task:wait(httpsrv.now() + seconds)
  task:cancel()
  return ended == nil
end

local function timely_read(self, format)
  local task = httpsrv.spawn(function() return self.io:read(format) end)
  local ok, text, msg, code = task:wait(httpsrv.now() + READ_SECONDS)
  if ok == nil then
    task:cancel()
    error("nothing arrives", 0)
  elseif not ok then
    error(text, 0)
  end
  return text, msg, code
end

--- Everything up to the end of the connection.
-- @return text; nil, message, code
function conn:rest() return timely_read(self, "*a") end

--- Whether the server has closed the connection, in whatever way, with nothing more sent.
function conn:closed()
  local text, _, code = timely_read(self, 1)
  return text == nil and (code or "EOF")
end

--- Reads the head of a response.
-- @return { status =, reason =, headers = { lower-case name = value }, lines = { ... } }; nil at the end of the connection
function conn:head()
  local line, _, code = timely_read(self, "*l")
  if not line then return nil, code or "EOF" end
  local version, status, reason = line:match("^(HTTP/1%.%d) (%d%d%d) ([^\r]*)\r$")
  assert(status, "no status line: " .. line)
  local r = { version = version, status = tonumber(status), reason = reason, headers = {}, lines = {} }
  while true do
    line = assert(timely_read(self, "*l"), "the connection ended inside the head")
    if line == "\r" then return r end
    local name, value = line:match("^([^%s:]+): ?([^\r]*)\r$")
    assert(name, "no field line: " .. line)
    r.lines[#r.lines + 1] = line
    name = name:lower()
    r.headers[name] = r.headers[name] and r.headers[name] .. ", " .. value or value
  end
end

--- The next chunk of a chunked body; nil at its end; nil, why when the connection broke off.
function conn:chunk()
  local line, _, code = timely_read(self, "*l")
  if not line then return nil, code or "EOF" end
  local size = tonumber(line:match("^(%x+)\r$"), 16)
  local piece = size > 0 and timely_read(self, size) or ""
  if not piece or #piece < size then return nil, "EOF" end
  local last = timely_read(self, "*l")
  if not last then return nil, "EOF" end
  assert(last == "\r")
  if size == 0 then return nil end
  return piece
end

--- Reads a whole response. broken says why when the connection ended before it was complete.
function conn:response(method)
  local r, why = self:head()
  if not r then return nil, why end
  if method == "HEAD" or r.status == 204 or r.status == 304 or r.status == 205 or r.status < 200 then
    r.body = ""
  elseif r.headers["transfer-encoding"] == "chunked" then
    local pieces = {}
    while true do
      local piece, broken = self:chunk()
      if not piece then
        r.broken = broken
        break
      end
      pieces[#pieces + 1] = piece
    end
    r.body, r.chunks = table.concat(pieces), pieces
  elseif r.headers["content-length"] then
    local n = tonumber(r.headers["content-length"])
    local text, _, code = timely_read(self, n)
    r.body = n == 0 and "" or text or ""
    if #r.body < n then r.broken = code or "EOF" end
  else
    local text, _, code = self:rest()
    r.body, r.broken = text or "", code
  end
  return r
end

-- The server.
local server = {}
server.__index = server

--- Connects.
-- @param options tcp = true: by TCP; half_close = true: a connection that can be closed in one direction
function server:connect(options)
  options = options or {}
  if options.half_close then
    local address = ffi.new("struct spec_sockaddr_un", { family = AF_UNIX, path = self.socket })
    local fd = ffi.C.socket(AF_UNIX, SOCK_STREAM, 0)
    assert(fd >= 0 and ffi.C.connect(fd, address, ffi.sizeof(address)) == 0)
    return setmetatable({ io = assert(httpsrv.io.fdopen(fd)), fd = fd }, conn)
  end
  return setmetatable({ io = assert(httpsrv.io.connect(options.tcp and self.tcp or "unix:" .. self.socket)) }, conn)
end

--- A request on a connection of its own.
-- @return the response
function server:request(method, target, options)
  local c = self:connect(options)
  c:request(method, target, options)
  local r, why = c:response(method)
  c:close()
  return assert(r, why)
end

--- Gives the code of a handler, which is then at /run/NAME (and under the other prefixes of spec/handlers/code.lua). It has sess, the
-- session, and kept, a table that all handlers share.
function server:handler(name, code)
  local r = self:request("PUT", "/code/" .. name, { body = code })
  assert(r.status == 204, r.body)
end

--- Gives a handler's code and requests it.
function server:get(code, options)
  self.unique = (self.unique or 0) + 1
  local name = "unnamed" .. self.unique
  self:handler(name, code)
  options = options or {}
  return self:request(options.method or "GET", (options.prefix or "/run/") .. name .. (options.rest or ""), options)
end

--- Runs Lua in the server.
-- @return what it returns, in so far as JSON can say it
function server:lua(code)
  local r = self:get("local results = (function()\n" .. code .. "\nend)() sess:response_json({ value = results })")
  assert(r.status == 200, r.body)
  return cjson.decode(r.body).value
end

--- What kept.NAME is, waiting until it is something.
function server:kept(name)
  return M.eventually(function()
    local value = self:lua("return kept." .. name)
    return value ~= nil and { value }, "kept." .. name .. " is nil\n" .. self:log()
  end)[1]
end

--- Live sessions, ios, tasks, timers and connections as the server counts them, seen from a handler.
function server:live()
  return self:lua("collectgarbage() collectgarbage() return httpsrv.live()")
end

--- Runs fn and then waits until the server holds as much as before, and as many descriptors.
function server:nothing_left(fn)
  local function count()
    local live = self:live()
    local _, text = M.shell('ls "/proc/$1/fd" | wc -l', self.process)
    live.descriptors = tonumber(text)
    return live
  end
  self:live()
  local before = count()
  fn()
  local after
  M.eventually(function()
    after = count()
    for kind, n in pairs(before) do
      if after[kind] > n then return false, ("%d %s more"):format(after[kind] - n, kind) end
    end
    return true
  end)
end

--- What the server has logged so far, or since the mark.
function server:log()
  local file = assert(io.open(self.place .. "/log"))
  local text = file:read("*a")
  file:close()
  return text:sub((self.marked or 0) + 1)
end

--- Later calls of log give what comes from now on.
function server:mark()
  self.marked = nil
  self.marked = #self:log()
end

--- Waits for a line in the log that has the text (no pattern).
function server:logs(text)
  return M.eventually(function()
    local log = self:log()
    return log:find(text, 1, true) and log, ("%q is not in the log:\n%s"):format(text, log:sub(1, 2000))
  end)
end

--- Stops it, and by force when it does not.
-- @return its exit status, or nil and what killed it; its log
function server:stop()
  local ended = self.ended
  for _, signal in ipairs({ 15, 15, 9 }) do
    self.child:kill(signal)
    if ended:wait(httpsrv.now() + STOP_SECONDS) ~= nil then break end
  end
  local _, status, killed = ended:wait()
  self.marked = nil
  local log = self:log()
  M.remove(self.place)
  if self.dir then M.remove(self.dir) end
  return status, killed, log
end

--- Starts a server.
-- @param what a folder, or { name = text } for a folder of its own
-- @param ... more arguments
-- @return the server; nil and what it said when it ended instead of serving
function M.start(what, ...)
  local self = setmetatable({ place = M.folder() }, server)
  self.socket = self.place .. "/socket"
  if type(what) == "table" then
    self.dir = M.folder(what)
    what = self.dir
  end
  local script = 'echo $$ >"$0/pid"; exec 2>"$0/log"; ' .. SELF
  self.child = assert(httpsrv.io.popen({
    "sh", "-c", script, self.place, "serve", what, "--workers", "0", "--listen", "unix:" .. self.socket, "--listen", "127.0.0.1:0", ...,
  }))
  self.ended = httpsrv.spawn(function() return self.child:wait() end)
  local deadline = httpsrv.now() + START_SECONDS
  repeat
    if self.ended:is_done() then
      local log = self:log()
      self:stop()
      return nil, log
    end
    local file = io.open(self.place .. "/log")
    local log = file and self:log() or ""
    if file then file:close() end
    self.tcp = log:match("http://(127%.0%.0%.1:%d+)")
    if self.tcp and log:find(" serves ", 1, true) then
      self.process = assert(io.open(self.place .. "/pid")):read("*l")
      return self
    end
    httpsrv.sleep(0.01)
  until httpsrv.now() > deadline
  local log = self:log()
  self:stop()
  error("the server did not start:\n" .. log)
end

return M

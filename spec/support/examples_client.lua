--- A server of a directory as a child process, and a client that speaks HTTP/1.1 to it byte by byte.
-- The server is the same program that runs the spec, at a unix socket in a directory of its own.
local httpsrv = require "httpsrv"

local M = {}

local START_SECONDS = 20
local STOP_SECONDS = 10

-- The process that runs the spec is the parent of this shell.
local SELF = 'exec "$(readlink "/proc/$PPID/exe")" "$@"'

--- Runs the program itself to its end.
-- @param dir where, or nil
-- @param ... its arguments
-- @return exit status, stdout and stderr as one text
function M.run(dir, ...)
  local child = assert(httpsrv.io.popen({ "sh", "-c", 'cd "$0" && ' .. SELF .. " 2>&1", dir or ".", ... }))
  child.stdin:close()
  local text = assert(child.stdout:read("*a"))
  return child:wait(), text
end

--- Runs a shell script to its end.
-- @return exit status, stdout
function M.shell(script, ...)
  local child = assert(httpsrv.io.popen({ "sh", "-c", script, "sh", ... }))
  child.stdin:close()
  local text = assert(child.stdout:read("*a"))
  return child:wait(), text
end

--- Runs fn as a task and raises its error, or that it took too long.
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

local response = {}
response.__index = response

local function read_head(io)
  local line = assert(io:read("*l"), "the connection ended before the response")
  local status = assert(line:match("^HTTP/1%.1 (%d%d%d) [^\r]*\r$"), line)
  local headers = {}
  for field in io:lines() do
    if field == "\r" then
      return tonumber(status), headers
    end
    local name, value = field:match("^([^:]+):[ \t]*(.-)[ \t]*\r$")
    headers[assert(name, field):lower()] = value
  end
  error("the connection ended inside the head")
end

--- The next piece of the body as the server framed it; nil at its end.
function response:piece()
  if self.done then
    return nil
  elseif self.chunked then
    local size = tonumber(assert(self.io:read("*l"), "the connection ended between chunks"):match("^(%x+)\r$"), 16)
    local piece = size > 0 and self.io:read(size) or ""
    assert(#piece == size and self.io:read("*l") == "\r", "the connection ended inside a chunk")
    self.done = size == 0
    return size > 0 and piece or nil
  end
  self.done = true
  if self.left == 0 then
    return nil
  end
  local piece = self.io:read(self.left or "*a")
  assert(not self.left or piece and #piece == self.left, "the connection ended inside the body")
  return piece
end

--- All that is left of the body.
function response:body()
  local pieces = {}
  for piece in response.piece, self do
    pieces[#pieces + 1] = piece
  end
  return table.concat(pieces)
end

function response:close()
  self.io:close()
end

--- Sends a piece of a chunked request body.
function response:send(piece)
  assert(self.io:write(("%x\r\n"):format(#piece), piece, "\r\n"))
end

--- Ends a chunked request body.
function response:finish()
  assert(self.io:write("0\r\n\r\n"))
end

--- Reads the head of the response: status and headers are set then.
-- @return self
function response:head()
  self.status, self.headers = read_head(self.io)
  self.chunked = self.headers["transfer-encoding"] == "chunked"
  self.left = tonumber(self.headers["content-length"])
  if self.method == "HEAD" or self.status == 204 or self.status == 304 then
    self.left = 0
  end
  return self
end

local server = {}
server.__index = server

--- Sends a request.
-- @param method, target
-- @param options headers = { name = value }, body = string, or chunked = true for a body that is sent with send and finish
-- @return the exchange, whose response is read with head, piece and body
function server:start(method, target, options)
  options = options or {}
  local io = assert(httpsrv.io.connect("unix:" .. self.socket))
  local lines = { ("%s %s HTTP/1.1\r\nHost: example.test\r\n"):format(method, target) }
  for name, value in pairs(options.headers or {}) do
    lines[#lines + 1] = ("%s: %s\r\n"):format(name, value)
  end
  if options.body then
    lines[#lines + 1] = ("Content-Length: %d\r\n"):format(#options.body)
  elseif options.chunked then
    lines[#lines + 1] = "Transfer-Encoding: chunked\r\n"
  end
  assert(io:write(table.concat(lines), "\r\n", options.body or ""))
  return setmetatable({ io = io, method = method }, response)
end

--- The same, and reads the head of the response.
function server:open(method, target, options)
  return self:start(method, target, options):head()
end

--- The whole of it at once.
-- @return status, body, headers
function server:request(method, target, options)
  local r = self:open(method, target, options)
  local body = r:body()
  r:close()
  return r.status, body, r.headers
end

--- Stops the server as an administrator would, and removes its directory.
-- @return its exit status, or what killed it, and its log
function server:stop()
  local ended = httpsrv.spawn(function()
    return self.child:wait()
  end)
  -- The second TERM does not wait for connections that a failed test has left open.
  for _, signal in ipairs({ 15, 15, 9 }) do
    self.child:kill(signal)
    if ended:wait(httpsrv.now() + STOP_SECONDS) ~= nil then
      break
    end
  end
  local log = self:log()
  M.shell('rm -rf "$1"', self.place)
  local _, status, killed = ended:wait()
  return status or killed, log
end

--- What the server has logged.
function server:log()
  local file = assert(io.open(self.place .. "/log"))
  local text = file:read("*a")
  file:close()
  return text
end

--- Starts a server and waits until it takes connections.
-- @param dir the directory to serve
function M.serve(dir)
  local status, place = M.shell("mktemp -d")
  assert(status == 0, "mktemp failed")
  place = place:gsub("\n$", "")
  local self = setmetatable({ place = place, socket = place .. "/s" }, server)
  local script = SELF .. ' 2>"$0"'
  self.child = assert(httpsrv.io.popen({
    "sh", "-c", script, place .. "/log", "serve", dir, "--workers", "0", "--listen", "unix:" .. self.socket,
  }))
  local deadline = httpsrv.now() + START_SECONDS
  repeat
    local io = httpsrv.io.connect("unix:" .. self.socket)
    if io then
      io:close()
      return self
    end
    httpsrv.sleep(0.02)
  until httpsrv.now() > deadline
  local log = self:log()
  self:stop()
  error("the server did not start:\n" .. log)
end

return M

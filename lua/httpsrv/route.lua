--- Registration of handlers.
-- @module httpsrv.route
local C = select(2, ...)
local hooks = require "httpsrv.hooks"
local session = require "httpsrv.session"

local type, pairs, setmetatable, loadstring = type, pairs, setmetatable, loadstring

local M = {}

--- What handlers of the reference manual return; ours may return anything.
M.DONE = 0

local function is(kind)
  return function(v) return type(v) == kind, kind end
end

local function bytes(v)
  return v == false or (type(v) == "number" and v >= 0 and v % 1 == 0), "number of bytes, or false"
end

local function one_of(word)
  return function(v) return v == word, '"' .. word .. '"' end
end

local options = {
  host = is "string",
  exact = is "boolean",
  encoded_slash = is "boolean",
  max_body = bytes,
  client_half_close = one_of "allow",
  on_abort = one_of "continue",
  handler_timeout = function(v) return type(v) == "number" and v > 0 and v < 3e8, "positive number of seconds" end,
}

--- Looks at a script's options and makes those of the C side of them.
local function check(o)
  if o == nil then return {} end
  if type(o) ~= "table" then C.arg_error(4, "register", "table of options expected, got " .. type(o)) end
  for key, value in pairs(o) do
    local test = options[key]
    if not test then C.arg_error(4, "register", ("unknown option '%s'"):format(tostring(key))) end
    local ok, expected = test(value)
    if not ok then C.arg_error(4, "register", ("option '%s': %s expected"):format(key, expected)) end
  end
  return {
    host = o.host,
    exact = o.exact,
    encoded_slash = o.encoded_slash,
    max_body = o.max_body == false and -1 or o.max_body,
    half_close = o.client_half_close == "allow",
    abort_continue = o.on_abort == "continue",
    handler_timeout = o.handler_timeout,
  }
end

-- Each route has a function of its own code, so the JIT compiler's traces of one do not burden the others.
local wrapper = [[
local handler, setmetatable, meta = ...
return function(serial)
  return handler(setmetatable({ serial }, meta))
end]]

--- Registers a handler for a base path: "/foo" matches /foo, /foo/ and everything below. Only while scripts are loaded.
-- @tparam ?string method nil: every method
-- @tparam string path
-- @tparam function handler called with the session
-- @tparam[opt] table opts host =, exact = true, max_body = bytes or false (no limit), handler_timeout = seconds, encoded_slash = true,
-- client_half_close = "allow", on_abort = "continue"
function M.register(method, path, handler, opts)
  if method ~= nil and type(method) ~= "string" then C.arg_error(1, "register", "string or nil expected, got " .. type(method)) end
  if type(path) ~= "string" then C.arg_error(2, "register", "string expected, got " .. type(path)) end
  if type(handler) ~= "function" then C.arg_error(3, "register", "function expected, got " .. type(handler)) end
  local o = check(opts)
  local where = C.where()
  local entry = loadstring(wrapper, "=[httpsrv.route]", "t")(handler, setmetatable, session.meta)
  local ok, msg = C.register(method, path, entry, o, (where:gsub(": $", "")))
  if ok then
    hooks.route(msg, path, o.exact, handler)
    return true
  end
  if C.phase() == "check" then
    C.report("duplicate", where .. msg)
    return true
  end
  C.throw(msg)
end

return M

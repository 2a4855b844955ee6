--- Registration of handlers and of auth handlers.
-- @module httpsrv.route
local C = select(2, ...)
local hooks = require "httpsrv.hooks"
local pool = require "httpsrv.pool"
local session = require "httpsrv.session"

local type, pairs, ipairs, setmetatable, loadstring, error = type, pairs, ipairs, setmetatable, loadstring, error

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
  auth = function(v) return v == false or type(v) == "function", "function, or false" end,
  pool = function(v) return type(v) == "string" and C.pool_known(v), "name of a pool (httpsrv.pool declares one)" end,
  handler_timeout = function(v)
    return v == false or (type(v) == "number" and v > 0 and v < 3e8), "positive number of seconds, or false"
  end,
}

local auth_options = { host = options.host, exact = options.exact }

--- Looks at a script's options.
local function check(fname, o, known)
  if o == nil then return {} end
  if type(o) ~= "table" then C.arg_error(4, fname, "table of options expected, got " .. type(o)) end
  for key, value in pairs(o) do
    local test = known[key]
    if not test then C.arg_error(4, fname, ("unknown option '%s'"):format(tostring(key))) end
    local ok, expected = test(value)
    if not ok then C.arg_error(4, fname, ("option '%s': %s expected"):format(key, expected)) end
  end
  return o
end

--- The options of a route as the C side takes them.
local function for_c(o)
  return {
    host = o.host,
    exact = o.exact,
    encoded_slash = o.encoded_slash,
    max_body = o.max_body == false and -1 or o.max_body,
    half_close = o.client_half_close == "allow",
    abort_continue = o.on_abort == "continue",
    handler_timeout = o.handler_timeout == false and -1 or o.handler_timeout,
    auth = o.auth,
    pool = o.pool,
  }
end

-- EC_HTTPSRV_AUTH_...
local NOT_AUTHENTICATED, DENIED, ALLOWED = 0, 2, 3

local function challenge(sess, text)
  if type(text) ~= "string" then error("auth handler returned nil and a " .. type(text) .. ", challenge (a string) expected", 0) end
  local ok, msg = sess:response_header_add("WWW-Authenticate", text)
  if not ok then error("auth handler: " .. msg, 0) end
end

--- What an auth handler's return values mean, as a number for the C side. What means nothing raises: nobody gets in by a mistake.
local function verdict(sess, allowed, extra, code)
  if allowed == true then
    if extra == nil then return ALLOWED end
    if type(extra) ~= "string" then error("auth handler returned true and a " .. type(extra) .. ", user name (a string) expected", 0) end
    local ok, msg = sess:request_username_set(extra)
    if not ok then error("auth handler: " .. msg, 0) end
    return ALLOWED
  elseif allowed == false then
    return DENIED
  elseif allowed ~= nil then
    error("auth handler returned a " .. type(allowed) .. ", true, false or nil expected", 0)
  elseif code ~= nil then -- nil, message, code: what it has asked has failed
    error("auth handler returned nil, " .. tostring(extra) .. ", " .. tostring(code), 0)
  end
  if type(extra) == "table" then
    for _, text in ipairs(extra) do challenge(sess, text) end
  elseif extra ~= nil then
    challenge(sess, extra)
  end
  return NOT_AUTHENTICATED
end

local function auth_entry(fn)
  return function(serial)
    local sess = setmetatable({ serial }, session.meta)
    return verdict(sess, fn(sess))
  end
end

local function check_arguments(fname, method, path, fn)
  if method ~= nil and type(method) ~= "string" then C.arg_error(1, fname, "string or nil expected, got " .. type(method)) end
  if type(path) ~= "string" then C.arg_error(2, fname, "string expected, got " .. type(path)) end
  if type(fn) ~= "function" then C.arg_error(3, fname, "function expected, got " .. type(fn)) end
end

--- What is left of a registration that C has made or refused.
local function registered(where, ok, msg)
  if ok then return true end
  if C.phase() == "check" then
    C.report("duplicate", where .. msg)
    return true
  end
  C.throw(msg)
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
-- @tparam[opt] table opts host =, exact = true, max_body = bytes or false (no limit),
-- handler_timeout = seconds or false (no limit), encoded_slash = true,
-- client_half_close = "allow", on_abort = "continue", auth = an auth handler of its own, or false: open to all. It counts as
-- registered for the route's base path, before one that is registered there. pool = name: the handler runs in a thread of that pool,
-- with a Lua state of its own, and may block.
function M.register(method, path, handler, opts)
  check_arguments("register", method, path, handler)
  local o = for_c(check("register", opts, options))
  local where = C.where()
  if o.auth then o.auth = auth_entry(o.auth) end
  local index
  if o.pool and not C.in_pool() then
    handler = function(sess) return pool.handle(o.pool, index, sess) end
  end
  local entry = loadstring(wrapper, "=[httpsrv.route]", "t")(handler, setmetatable, session.meta)
  local ok, ref, number = C.register(method, path, entry, o, (where:gsub(": $", "")))
  index = number
  if ok and ref then hooks.route(ref, path, o.exact, handler) end -- in a pool thread there is nothing to be called
  return registered(where, ok, ref)
end

--- Registers who decides about requests below a base path. Matched as handlers are: of those for the request's host, path and method
-- the one with the longest base path is asked (GET's for HEAD too), before the handler and before 404, 405 and answers to OPTIONS.
-- Only while scripts are loaded. fn(sess) may wait. It returns true[, user] to let the request go on; false for 403; nil, challenge
-- for 401 with that WWW-Authenticate field (a list of strings: several; without any it is 403). A response whose status it has set
-- itself (a redirect) is left alone when it returns false or nil. Errors, and values that mean nothing, are 500.
-- @tparam ?string method nil: every method
-- @tparam string path
-- @tparam function fn
-- @tparam[opt] table opts host =, exact = true
function M.register_auth(method, path, fn, opts)
  check_arguments("register_auth", method, path, fn)
  local o = check("register_auth", opts, auth_options)
  local where = C.where()
  return registered(where, C.register_auth(method, path, auth_entry(fn), o, (where:gsub(": $", ""))))
end

return M

--- What runs around handlers, and what answers in the place of the core.
-- A route is wrapped when all scripts are loaded, and only if there is something to wrap it with.
-- @module httpsrv.hooks
local C = select(2, ...)
local session = require "httpsrv.session"

local core, meta, cancelled = C.session_methods, session.meta, C.cancelled
local type, tostring, pairs, select, setmetatable, getmetatable = type, tostring, pairs, select, setmetatable, getmetatable
local error, pcall, xpcall, loadstring, traceback = error, pcall, xpcall, loadstring, debug.traceback
local path_get, status_get = core.request_path_get, core.status

local M = {}

local routes = {} -- { entry =, path =, exact =, handler = }
local befores, afters = {}, {} -- { fn =, path = }
local pages = {} -- status -> function

--- Called for each route that is registered.
function M.route(entry, path, exact, handler)
  if #path > 1 then path = path:gsub("/$", "") end
  routes[#routes + 1] = { entry = entry, path = path, exact = exact, handler = handler }
end

--- Errors of any type as text with a traceback, beside their value. A cancellation is none.
local failure_meta = {}

local function told(err)
  if type(err) == "string" or type(err) == "number" then return tostring(err) end
  local mt = getmetatable(err)
  if type(mt) == "table" and mt.__tostring then
    local ok, text = pcall(tostring, err)
    if ok and type(text) == "string" then return text end
  end
  return ("(error object is a %s value)"):format(type(err))
end

local function describe(err)
  if err == cancelled then return err end
  return setmetatable({ value = err, text = (traceback(told(err), 2):gsub("%z", "^@")) }, failure_meta)
end

--- What xpcall gave, also where describe could not be called.
local function failure(err)
  if getmetatable(err) == failure_meta then return err end
  return { value = err, text = told(err) }
end

--- Whether a path is a base path or below it.
local function is_under(path, base)
  return base == "/" or path == base or (path:sub(1, #base) == base and path:byte(#base + 1) == 47)
end

local function applies(sess, base)
  local path = path_get(sess)
  return path ~= nil and is_under(path, base)
end

--- Has a page made by the script; the built-in answer when that fails.
local function page(sess, status, ...)
  local ok, err = xpcall(pages[status], describe, sess, status, C.status_reason(status), ...)
  if ok then return end
  if err == cancelled then error(err, 0) end
  C.log("error", ("register_error(%d): %s"):format(status, failure(err).text))
  C.error_plain(sess, status)
end

--- What an error of a handler or hook leads to. The page for it is made once.
-- @return whether the client has gone meanwhile
local function fail(sess, f, once)
  local id, open, text = C.handler_failed(sess, f.text)
  if not (open and once and pages[500] and C.error_begin(sess, 500)) then return false end
  local ok, err = pcall(page, sess, 500, id, text)
  if not ok and err ~= cancelled then error(err, 0) end
  return not ok
end

--- Ends a request whose handler has ended: the error's response, then the after hooks, the last registered first.
local function finish(list, sess, ok, err)
  local gone = not ok and err == cancelled
  local value = err
  if ok then
    value = nil
  elseif not gone then
    local f = failure(err)
    value, gone = f.value, fail(sess, f, true)
  end
  for i = #list, 1, -1 do
    local hook = list[i]
    if not hook.path or applies(sess, hook.path) then
      local done, e = xpcall(hook.fn, describe, sess, status_get(sess), value)
      if not done then
        gone = e == cancelled or fail(sess, failure(e), ok) or gone
        ok = false
      end
    end
  end
  if gone then error(cancelled, 0) end
end

local function stops(...) return (...) ~= nil or select("#", ...) > 1 end

-- Each route has a function of its own code, as in httpsrv.route.
local wrapper = [[
local handler, setmetatable, meta, applies, stops, before, finish, after, xpcall, describe = ...
local n = #before
local function run(sess)
  for i = 1, n do
    local hook = before[i]
    if (not hook.path or applies(sess, hook.path)) and stops(hook.fn(sess)) then return end
  end
  return handler(sess)
end
if not after then
  return function(serial) return run(setmetatable({ serial }, meta)) end
end
return function(serial)
  local sess = setmetatable({ serial }, meta)
  return finish(after, sess, xpcall(run, describe, sess))
end]]

--- Those of a list that can apply to a route; path is set where the request's has to be looked at.
local function select_hooks(list, route)
  local found = {}
  for _, hook in ipairs(list) do
    if is_under(route.path, hook.path) then
      found[#found + 1] = { fn = hook.fn }
    elseif not route.exact and is_under(hook.path, route.path) then
      found[#found + 1] = hook
    end
  end
  return found
end

--- All scripts are loaded.
function C.seal()
  for _, route in ipairs(routes) do
    local before, after = select_hooks(befores, route), select_hooks(afters, route)
    local catches = #after > 0 or pages[500] ~= nil
    if #before > 0 or catches then
      C.route_entry(route.entry, loadstring(wrapper, "=[httpsrv.hooks]", "t")(route.handler, setmetatable, meta, applies, stops, before,
        finish, catches and after, xpcall, describe))
    end
  end
end

local function check_loading(fname)
  if C.phase() == "run" then C.throw(fname .. " is possible only while the scripts of a server are loaded") end
end

--- The base path of a hook: absolute and normalised, without its final slash. nil: it is none.
local function base_path(path)
  if type(path) ~= "string" or path:sub(1, 1) ~= "/" or path:find("[%c%%]") or path:find("//", 1, true) then return nil end
  local base = path:gsub("(.)/$", "%1")
  local whole = base == "/" and base or base .. "/"
  if whole:find("/./", 1, true) or whole:find("/../", 1, true) then return nil end
  return base
end

local function add(list, fname, fn, opts)
  if type(fn) ~= "function" then C.arg_error(1, fname, "function expected, got " .. type(fn)) end
  if opts ~= nil and type(opts) ~= "table" then C.arg_error(2, fname, "table of options expected, got " .. type(opts)) end
  for key in pairs(opts or {}) do
    if key ~= "path" then C.arg_error(2, fname, ("unknown option '%s'"):format(tostring(key))) end
  end
  local path = "/"
  if opts and opts.path ~= nil then path = base_path(opts.path) end
  if not path then C.arg_error(2, fname, "option 'path': base path beginning with '/' and normalised expected") end
  check_loading(fname)
  list[#list + 1] = { fn = fn, path = path }
  return true
end

--- Has fn(sess) called before each handler that scripts have registered, in the order of these calls, after authentication. It may
-- wait. When it returns something, the request ends with what the response is by then: neither the hooks after it nor the handler
-- are called. nil alone is nothing, while nil, message, code is something, so that `return sess:redirect("/login")` ends the request in
-- any case. An error in it is one of the handler. Only while scripts are loaded; it holds for all of them, whichever is loaded first.
-- @tparam function fn
-- @tparam[opt] table opts path = base path: only for requests to it and below
function M.before(fn, opts) return add(befores, "before", fn, opts) end

--- Has fn(sess, status, err) called when a handler has ended, the last registered first; also when a before hook has ended the
-- request. status is that of the response, to which it may still add fields if nothing of it has been sent. err is nil, or the error that
-- the handler or a hook has raised (the response to it has been made, status is 500), or httpsrv.cancelled when the client is gone or
-- the handler ran out of time; then each wait raises. It may wait; the response goes when it has returned. An error in it is a 500,
-- and the other hooks are still called. A detached session's hooks are called when the handler returns, not at finish.
-- @tparam function fn
-- @tparam[opt] table opts path = base path: only for requests to it and below
function M.after(fn, opts) return add(afters, "after", fn, opts) end

--- Has fn(sess, status, message) make the responses with an error's status that the server would give by itself: 404, 405, 413 for a
-- body announced as too long, 400 for a path that cannot be normalised, what authentication refuses, a pool without room, and 500 for an
-- error in a handler or hook: fn(sess, 500, message, id, text), with the id that is in the log and, under --dev, the traceback.
-- Not for what a handler itself answers, nor for requests that the parser refuses, nor when the response has begun, nor for what
-- becomes of a request later: time-outs, a body that turns out too long while it is read, a stream that fails. The status, Allow,
-- WWW-Authenticate and Retry-After have been set when it is called. It may wait, and may set another status. When it fails that is
-- logged, and the built-in response is sent. Only while scripts are loaded.
-- @tparam int status from 400 to 599
-- @tparam function fn
function M.register_error(status, fn)
  if not (type(status) == "number" and status % 1 == 0 and status >= 400 and status <= 599) then
    C.arg_error(1, "register_error", "status from 400 to 599 expected")
  end
  if type(fn) ~= "function" then C.arg_error(2, "register_error", "function expected, got " .. type(fn)) end
  local where = C.where()
  local ok, msg = C.register_error(status, function(serial) page(setmetatable({ serial }, meta), status) end, (where:gsub(": $", "")))
  if not ok then
    if C.phase() ~= "check" then C.throw(msg) end
    C.report("duplicate", where .. msg)
  end
  pages[status] = pages[status] or fn
  return true
end

return M

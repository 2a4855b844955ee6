--- Thread pools: handlers and functions that block run in threads, each with a Lua state of its own.
-- @module httpsrv.pool
local C = select(2, ...)

local type, pcall, error, pairs, ipairs, tostring = type, pcall, error, pairs, ipairs, tostring
local AGAIN, RAISE = C.AGAIN, C.RAISE

local M = {}

local THREADS, QUEUE = 4, 64 -- what a pool gets that says nothing else

--- Whether this is the state of a pool thread.
-- @treturn boolean
function M.in_pool()
  return (C.in_pool())
end

-- Names declared while this generation is loaded -> where.
local declared = {}

local function type_of(v) return v == nil and "no value" or type(v) end

local function count(settings, key, default, min, max)
  local n = settings[key]
  if n == nil then return default end
  if type(n) ~= "number" or n % 1 ~= 0 or n < min or n > max then
    C.arg_error(2, "pool", ("'%s': integer from %d to %d expected"):format(key, min, max))
  end
  return n
end

--- Declares a pool. "IO" (for what waits) and "CPU" (for what computes; one thread a processor) always exist. A pool lives as long as the
-- process; what a later generation of scripts says about it counts from then on.
-- @tparam string name
-- @tparam[opt] table settings threads = 1 to 1024 (4), queue = jobs that may wait for a free thread (64; 0: any number)
-- @treturn string the name
function M.pool(name, settings)
  if type(name) ~= "string" then C.arg_error(1, "pool", "string expected, got " .. type_of(name)) end
  if not name:find("^[%w_.-]+$") then C.arg_error(1, "pool", "a name of letters, digits, '_', '-' and '.' expected") end
  if settings ~= nil and type(settings) ~= "table" then
    C.arg_error(2, "pool", "table of settings expected, got " .. type(settings))
  end
  for key in pairs(settings or {}) do
    if key ~= "threads" and key ~= "queue" then C.arg_error(2, "pool", ("unknown setting '%s'"):format(tostring(key))) end
  end
  local threads = count(settings or {}, "threads", THREADS, 1, 1024)
  local queue = count(settings or {}, "queue", QUEUE, 0, 1000000)
  if name == "IO" or name == "CPU" then C.throw(("the pool '%s' exists always, as it is"):format(name)) end
  if declared[name] then C.throw(("the pool '%s' is declared already at %s"):format(name, declared[name])) end
  if C.in_pool() then return name end -- the loop's state has made it
  local ok, msg = C.pool_new(name, threads, queue)
  if not ok then C.throw(("the pool '%s' cannot be made: %s"):format(name, msg)) end
  declared[name] = (C.where():gsub(": $", ""))
  return name
end

--- What a pool has done: threads_max and queue_max as declared, threads (started), active (in a job), queued, done, and in seconds on
-- average, wait (from being queued to being begun) and run; also name and id.
-- @tparam string name
-- @treturn[1] table
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string "ENOENT"
function M.pool_stat(name)
  if type(name) ~= "string" then C.arg_error(1, "pool_stat", "string expected, got " .. type_of(name)) end
  local st = C.pool_stat(name)
  if not st then return nil, ("there is no pool '%s'"):format(name), "ENOENT" end
  return st
end

--- The names of all pools, "IO" and "CPU" first.
-- @treturn {string,...}
M.pool_names = C.pool_names

--- Waits for a job.
local function await(job)
  while true do
    local r, err = C.pool_wait(job)
    if r == RAISE then error(err, 0) end
    if r ~= AGAIN then return end
  end
end

local function finish(outcome, ...)
  if outcome == "ok" then return true, ... end
  if outcome == "raised" then return false, (...) end
  if outcome == "cancelled" then return false, C.cancelled end
  return false, (...)
end

--- Runs fn(...) in a thread of a pool, in a Lua state of that thread with the same scripts, and waits for it. The function's upvalues
-- and the arguments are copied, and so are the results: changes made on the other side are not seen here. Modules and their fields are
-- found again by name, sessions and ios are the same ones; an io is in use until the function has returned. A value that cannot be
-- copied (a coroutine, another userdata) raises an error that names it. When the caller is cancelled, so is the function.
-- @tparam string pool
-- @tparam function fn
-- @param ... its arguments
-- @return true and the results; false and the error, as pcall; nil, message, code when it was not run ("EAGAIN": the pool is full,
-- "ENOENT": there is none of that name, "EDEADLK": the caller is a thread of the same pool)
function M.run_in_pool(pool, fn, ...)
  if type(pool) ~= "string" then
    C.arg_error(1, "run_in_pool", "name of a pool expected, got " .. type_of(pool))
  end
  if type(fn) ~= "function" then
    C.arg_error(2, "run_in_pool", "function expected, got " .. type_of(fn))
  end
  if C.in_pool() and C.phase() == "load" then return pcall(fn, ...) end -- it is in a thread that may block
  local job, msg, code = C.pool_job(pool, -1, 0, fn, ...)
  if job == RAISE then error(msg, 0) end
  if not job then return nil, msg, code end
  await(job)
  return finish(C.pool_results(job))
end

--- Answers for a pool that takes no more work.
local function refuse(sess)
  sess:response_status_set_std(503, "Service Unavailable", "text/plain")
  sess:response_header_set("Retry-After", "1")
end

--- Runs a registered handler in its pool.
-- @tparam string pool
-- @tparam int index number of its registration
-- @tparam session sess
function M.handle(pool, index, sess)
  local job, msg, code = C.pool_job(pool, index, sess[1])
  if job == RAISE then error(msg, 0) end
  if not job then
    if code ~= "EAGAIN" then error(("pool '%s': %s"):format(pool, msg), 0) end
    return refuse(sess)
  end
  await(job)
  local outcome, value, text = C.pool_results(job)
  if outcome == "ok" then return end
  if outcome == "cancelled" then error(C.cancelled, 0) end
  error(("in pool '%s': %s"):format(pool, text or value), 0)
end

--- What a pool thread's call of a session's method gave.
local function deliver(outcome, ...)
  if outcome == "ok" then return ... end
  if outcome == "cancelled" then error(C.cancelled, 0) end
  C.throw((...))
end

--- Makes the state of a pool thread different: its sessions live at the loop, and what belongs to the loop is refused or passed over.
-- @tparam table httpsrv
-- @tparam table session { methods =, meta = }
function M.install(httpsrv, session)
  local call = C.session_call
  local function crossing(name)
    return function(...) return deliver(call(name, ...)) end
  end
  for name in pairs(session.methods) do session.methods[name] = crossing(name) end
  C.session_methods.state = crossing("state")

  --- What belongs to the loop: passed over while scripts are loaded, refused after.
  local function loop_only(name, original)
    return function(...)
      if C.phase() == "run" then C.throw(("'%s' is not possible in a pool thread"):format(name)) end
      if original then return original(...) end
    end
  end
  httpsrv.spawn_detached = loop_only("spawn_detached", httpsrv.spawn_detached)
  httpsrv.timer = {
    after = loop_only("timer.after", C.timer.after),
    at = loop_only("timer.at", C.timer.at),
    every = loop_only("timer.every", require("httpsrv.timer").every),
  }
  for _, name in ipairs { "on_unload", "worker_init", "worker_exit", "register_auth", "register_error", "before", "after" } do
    httpsrv[name] = loop_only(name)
  end
  rawset(os, "exit", C.pool_exit)
end

--- Calls a session's method for a pool thread, at the loop.
function C.session_serve(name, serial, ...)
  local session = require "httpsrv.session"
  local method = session.methods[name] or C.session_methods[name]
  return method(setmetatable({ serial }, session.meta), ...)
end

return M

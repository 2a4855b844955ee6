--- msys.runInPool: functions in the threads of a pool.
-- @module msys.lib.pool
local C = select(2, ...)
local core = require "msys.lib.core"
local httpsrv = require "httpsrv"

local type, pcall, error, ipairs, tostring = type, pcall, error, ipairs, tostring

local M = {}

--- The pool that a name or an id means.
-- @treturn ?table its figures; nil when there is none
function M.find(pool, n, fname)
  if type(pool) == "string" then return (httpsrv.pool_stat(pool)) end
  if type(pool) ~= "number" then
    C.arg_error(n, fname, "name or id of a pool expected, got " .. (pool == nil and "no value" or type(pool)))
  end
  for _, name in ipairs(httpsrv.pool_names()) do
    local st = httpsrv.pool_stat(name)
    if st and st.id == pool then return st end
  end
end

--- What runs in the thread. Fields of a module are found again there by name; requiring this one makes the namespace msys.
-- @tparam function fn
-- @tparam ?function done called after it, whatever became of it
function M.run(fn, done)
  require "msys"
  if not done then return fn() end
  local ok, err = pcall(fn)
  done()
  if not ok then error(err, 0) end
end

local function as_pcall(ok, ...)
  if ok == nil then return false, (...) end
  return ok, ...
end

--- Runs it and tells the log of a failure, since nobody waits for it.
local function run_unwatched(name, fn, done, at_loop)
  local ok, err = as_pcall(httpsrv.run_in_pool(name, M.run, fn, not at_loop and done or nil))
  if not ok and err ~= httpsrv.cancelled then C.log("error", ("runInPool '%s': %s"):format(name, tostring(err))) end
  if at_loop then done() end
end

--- Runs fn() in a thread of a pool, in that thread's Lua state: what the function refers to is copied, modules and global variables are
-- that state's own.
-- @tparam string|int pool name or id
-- @tparam function fn
-- @tparam[opt=false] boolean|function async false: waits for it. true: does not, and nothing is returned. A function: the same, and it is
-- called when fn has returned
-- @tparam[opt] int mode ECTP_COMPLETE_CALLBACK_SCHED: that function is called in the scripts' own state, on the loop; else in the pool's
-- thread
-- @return when it waits: true and what fn returns, or false and an error, as pcall
function M.runInPool(pool, fn, async, mode)
  if type(fn) ~= "function" then
    C.arg_error(2, "runInPool", "function expected, got " .. (fn == nil and "no value" or type(fn)))
  end
  if async ~= nil and type(async) ~= "boolean" and type(async) ~= "function" then
    C.arg_error(3, "runInPool", "boolean or function expected, got " .. type(async))
  end
  local st = M.find(pool, 1, "runInPool")
  if not st then
    local why = ("there is no pool '%s'"):format(tostring(pool))
    if async then C.throw(why) end
    return false, why
  end
  if not async then return as_pcall(httpsrv.run_in_pool(st.name, M.run, fn)) end
  local done = type(async) == "function" and async or nil
  local at_loop = done ~= nil and mode == core.ECTP_COMPLETE_CALLBACK_SCHED
  if httpsrv.in_pool() then
    -- A thread of a pool has no loop to come back to: it is waited for.
    run_unwatched(st.name, fn, done, at_loop)
  else
    httpsrv.spawn_detached(run_unwatched, st.name, fn, done, at_loop)
  end
end

return M

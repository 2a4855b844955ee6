--- Tasks: functions that run beside the one that started them.
-- @module httpsrv.task
local C = select(2, ...)
local sync = require "httpsrv.sync"

local setmetatable, type, select, unpack, pcall, error, tostring = setmetatable, type, select, unpack, pcall, error, tostring

local M = {}

local live = {} -- id -> task

--- A task made by spawn.
-- @type task
local task = {}
local task_mt = { __index = task, __name = "task" }

local function spawn(detached, fname, fn, ...)
  if type(fn) ~= "function" then
    C.arg_error(1, fname, "function expected, got " .. (fn == nil and "no value" or type(fn)))
  end
  local t = setmetatable({
    id = C.spawn(detached, fn, ...),
    done = false,
    -- n, results: what it returned, or false and its error
    waiters = sync.new_list(),
  }, task_mt)
  live[t.id] = t
  return t
end

--- Runs fn(...) as a task of its own, beginning with the next turn of the loop. In a handler it belongs to the session and is
-- cancelled when the request is over. While scripts are loaded it starts when they go live.
-- @tparam function fn
-- @param ... its arguments
-- @treturn task
function M.spawn(fn, ...) return spawn(false, "spawn", fn, ...) end

--- The same for a task that belongs to no session: it ends with the generation of scripts.
function M.spawn_detached(fn, ...) return spawn(true, "spawn_detached", fn, ...) end

--- Called when a task made by spawn has ended.
function C.spawn_ended(id, ok, ...)
  local t = live[id]
  if not t then return end
  local waited = t.waiters.next ~= t.waiters
  if ok then
    t.n, t.results = select("#", ...) + 1, { true, ... }
  else
    local err, text = ...
    t.n, t.results = 2, { false, err }
    if not waited and text ~= "" then C.log("error", "task: " .. text) end
  end
  -- Nothing from here on can fail for lack of memory: it is called again when something before has.
  live[id] = nil
  t.done = true
  while sync.wake_first(t.waiters) do end -- luacheck: ignore 542
end

--- Waits until the task has ended. An error that somebody waits for is not logged.
-- @tparam[opt] number deadline in the seconds of httpsrv.now()
-- @return true and what the task's function returned; false and its error (httpsrv.cancelled when it was cancelled); nil, "timed out",
-- "ETIMEDOUT"
function task:wait(deadline)
  sync.check_deadline(deadline, 1, "wait")
  if not self.done then
    if C.task_held(self.id) then
      C.throw("the task starts when the scripts go live; it cannot be waited for while they are loaded")
    end
    local _, me = C.task_self()
    if me == self.id then C.throw("a task cannot wait for itself") end
    if not sync.wait_in(self.waiters, {}, deadline) then return sync.timed_out() end
  end
  return unpack(self.results, 1, self.n)
end

--- Cancels the task: the wait it is in, and every later one, raises httpsrv.cancelled.
function task:cancel()
  if not self.done then C.task_cancel(self.id) end
end

--- Whether it has ended.
function task:is_done() return self.done end
function task_mt:__tostring() return ("task %d (%s)"):format(self.id, self.done and "done" or "running") end

local function leave(ok, ...)
  C.shield_leave()
  if ok then return ... end
  error((...), 0)
end

--- Runs fn(...) without being disturbed by a cancellation, for at most so many seconds after it came; then it is delivered all the same.
-- @tparam function fn
-- @tparam number seconds
-- @param ... its arguments
-- @return what fn returns; its errors go through
function M.shield(fn, seconds, ...)
  if type(fn) ~= "function" then C.arg_error(1, "shield", "function expected, got " .. type(fn)) end
  C.shield_enter(seconds)
  return leave(pcall(fn, ...))
end

-- What runs when the generation is unloaded, last in, first out.
local hooks = {}

--- Has fn() called when the scripts are replaced or the server stops. All of them together have five seconds.
-- @tparam function fn
function M.on_unload(fn)
  if type(fn) ~= "function" then C.arg_error(1, "on_unload", "function expected, got " .. type(fn)) end
  hooks[#hooks + 1] = fn
end

-- What runs in each worker before its scripts serve, and when it ends.
local inits, exits = {}, {}

local function check_hook(fname, fn)
  if type(fn) ~= "function" then C.arg_error(1, fname, "function expected, got " .. (fn == nil and "no value" or type(fn))) end
  if C.phase() == "run" then C.throw(fname .. " is possible only while the scripts of a server are loaded") end
end

function C.run_worker_init()
  for i = 1, #inits do inits[i]() end
end

--- Has fn() called in each worker when all its scripts have been loaded, before they serve: at the start before the worker accepts,
-- at a reload before the new
-- scripts take over from the former. It may wait; the time counts for load-timeout. When it fails the scripts do not load. It is not
-- called by
-- httpsrv check, by the trial before a reload, or in the threads of pools.
-- @tparam function fn
function M.worker_init(fn)
  check_hook("worker_init", fn)
  inits[#inits + 1] = fn
end

--- Has fn() called when the worker ends in good order: when all its requests have ended, after what on_unload has run, within the
-- same time. Only the scripts that
-- serve then have theirs called, not those that a reload has replaced.
-- @tparam function fn
function M.worker_exit(fn)
  check_hook("worker_exit", fn)
  exits[#exits + 1] = fn
end

-- Calls the functions of a list, last in, first out.
local function run_hooks(list, what)
  while #list > 0 do
    local fn = list[#list]
    list[#list] = nil
    local ok, err = xpcall(fn, function(e)
      if e == C.cancelled then return e end
      return debug.traceback(tostring(e), 2)
    end)
    if not ok then
      if err == C.cancelled then error(err, 0) end
      C.log("error", what .. ": " .. err)
    end
  end
end

function C.unload()
  run_hooks(hooks, "on_unload")
  if C.is_last() then run_hooks(exits, "worker_exit") end
end

return M

--- The Lua face of httpsrv: `local httpsrv = require "httpsrv"`.
-- Anything here that waits may be called while scripts are loaded, in a handler, a timer, a generator, a task, inside coroutines
-- that the script made, and through pcall, iterators, metamethods and require. It cannot be called inside C functions that call
-- Lua, such as table.sort and string.gsub with a function, nor in __gc; the error names the function.
-- @module httpsrv
local C = select(2, ...)
if not C then error("httpsrv runs inside the httpsrv command (httpsrv serve, httpsrv lua)", 0) end

local control = require "httpsrv.control"
local hooks = require "httpsrv.hooks"
local json = require "httpsrv.json"
local pool = require "httpsrv.pool"
local route = require "httpsrv.route"
local sync = require "httpsrv.sync"
local task = require "httpsrv.task"
local wait = require "httpsrv.wait"
local xml = require "httpsrv.xml"

local concat, select, tostring = table.concat, select, tostring

local M = {}

M.register, M.register_auth = route.register, route.register_auth
M.DONE = route.DONE
M.register_error, M.before, M.after = hooks.register_error, hooks.before, hooks.after
M.register_control = control.register

--- @see httpsrv.io
M.io = require "httpsrv.io"

M.spawn, M.spawn_detached, M.shield, M.on_unload = task.spawn, task.spawn_detached, task.shield, task.on_unload
M.worker_init, M.worker_exit = task.worker_init, task.worker_exit
M.queue, M.event, M.semaphore = sync.queue, sync.event, sync.semaphore
M.null, M.empty_array, M.json_encode, M.json_decode = json.null, json.empty_array, json.encode, json.decode
M.xml_encode, M.xml_decode = xml.encode, xml.decode

--- What a cancelled wait raises. Comparing with == tells it from other errors.
M.cancelled = C.cancelled

--- Functions run at a time, each run as a task of its own: after(seconds, fn[, name]), at(time, fn[, name]) with seconds since 1970,
-- every(seconds, fn[, name or { name =, once_per_server = true }]). Each gives a timer with :stop(), :start() (anew, from now on)
-- and :name(). A timer goes on
-- when nobody holds it any more; one made while scripts are loaded starts when they go live.
-- @see httpsrv.timer
M.timer = require "httpsrv.timer"

--- @see httpsrv.shared
M.shared = require("httpsrv.shared").shared

--- The number of the worker that this runs in, from 0; a server of one process is worker 0.
M.worker_id = C.worker_id

--- Waits.
-- @tparam number seconds
M.sleep = wait.sleep

--- Logs a line: the values as tostring shows them, with blanks between.
-- @tparam string level "debug", "info", "notice", "warn" or "error"
function M.log(level, ...)
  local parts = {}
  for i = 1, select("#", ...) do parts[i] = tostring((select(i, ...))) end
  C.log(level, (concat(parts, " "):gsub("%z", "^@")))
end

--- Seconds of a clock that never jumps, for deadlines: httpsrv.now() + 5.
M.now = C.now

--- How many sessions, ios, tasks, timers, connections, Lua states and generations the process has now: a table of counts.
M.live = C.live

--- "load", "check" or "run".
M.phase = C.phase

--- Whether a wait is possible here.
M.async_ok = C.can_wait

--- Thread pools, see httpsrv.pool.
M.pool, M.pool_stat, M.pool_names, M.run_in_pool, M.in_pool = pool.pool, pool.pool_stat, pool.pool_names, pool.run_in_pool, pool.in_pool
if pool.in_pool() then pool.install(M, require "httpsrv.session") end

return M

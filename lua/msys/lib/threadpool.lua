--- msys.threadpool: which pools there are, and what they have done.
-- @module msys.lib.threadpool
local C = select(2, ...)
local httpsrv = require "httpsrv"
local find = require("msys.lib.pool").find

local concat, setmetatable, tostring, type = table.concat, setmetatable, tostring, type

local M = {}

--- How many pools there are.
-- @treturn int
function M.count() return #httpsrv.pool_names() end

--- The id of a pool of that name, or the name of that with the id.
-- @tparam string|int pool
-- @return id or name; nil when there is none
function M.find(pool)
  local st = find(pool, 1, "find")
  if not st then return nil end
  return type(pool) == "string" and st.id or st.name
end

local fields = {
  "name", "invocations", "avg_concurrency", "saturation", "avg_wallclock_time_per_op", "queue_sz", "num_threads", "num_active_threads",
  "num_inactive_threads", "job_num_queued", "job_num_running",
}

local meta = {
  __tostring = function(st)
    local lines = {}
    for i, name in ipairs(fields) do lines[i] = ("%s: %s"):format(name, tostring(st[name])) end
    return concat(lines, "\n")
  end,
}

--- What a pool is and has done.
-- @tparam string|int pool name or id
-- @treturn ?table nil when there is none; else name; invocations (jobs that have ended); avg_concurrency (threads that were busy, on
-- average since the process began); saturation (the part of its threads that is busy now, 0 to 1); avg_wallclock_time_per_op (seconds);
-- queue_sz (jobs that may wait; 0: any number); num_threads (that have been started), num_active_threads, num_inactive_threads;
-- job_num_queued, job_num_running. tostring shows all of it.
function M.stat(pool)
  local st = find(pool, 1, "stat")
  if not st then return nil end
  local age = C.process_age()
  return setmetatable({
    name = st.name,
    invocations = st.done,
    avg_concurrency = age > 0 and st.done * st.run / age or 0,
    saturation = st.threads_max > 0 and st.active / st.threads_max or 0,
    avg_wallclock_time_per_op = st.run,
    queue_sz = st.queue_max,
    num_threads = st.threads,
    num_active_threads = st.active,
    num_inactive_threads = st.threads - st.active,
    job_num_queued = st.queued,
    job_num_running = st.active,
  }, meta)
end

return M

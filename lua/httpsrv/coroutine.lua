--- Coroutines that scripts make can wait too.
-- A wait yields a private value. Whoever has resumed the coroutine hands it on, level by level, to the task, and hands the
-- outcome down again, so scripts never see it. Meanwhile the coroutine counts as running: its status is "normal" and nobody else can
-- resume it.
-- @module httpsrv.coroutine
local C = select(2, ...)

local WAIT = C.WAIT
local parents, blocked, safe = C.parents, C.blocked, C.safe
local co = coroutine
local create, raw_resume, raw_status, running, yield = co.create, co.resume, co.status, co.running, co.yield
local error, type, tostring, pcall, xpcall = error, type, tostring, pcall, xpcall

-- C functions that LuaJIT yields across.
for _, f in ipairs { pcall, xpcall, raw_resume, yield, tostring, co.wrap, pairs, next, error, select } do safe[f] = true end

local step

local function go_on(thread, ...)
  blocked[thread] = nil
  return step(thread, raw_resume(thread, ...))
end

function step(thread, ok, first, ...)
  if first ~= WAIT or not ok then return ok, first, ... end
  blocked[thread] = true
  return go_on(thread, yield(WAIT))
end

--- As coroutine.resume.
local function resume(thread, ...)
  if type(thread) ~= "thread" then C.throw("bad argument #1 to 'resume' (coroutine expected)") end
  if blocked[thread] then
    return false, "cannot resume non-suspended coroutine"
  end
  parents[thread] = running()
  return step(thread, raw_resume(thread, ...))
end

--- As coroutine.status.
local function status(thread)
  if blocked[thread] then
    return thread == running() and "running" or "normal"
  end
  return raw_status(thread)
end

local function wrapped(ok, first, ...)
  if ok then return first, ... end
  error(first, type(first) == "string" and 2 or 0)
end

--- As coroutine.wrap.
local function wrap(f)
  if type(f) ~= "function" then C.throw("bad argument #1 to 'wrap' (function expected)") end
  local thread = create(f)
  return function(...) return wrapped(resume(thread, ...)) end
end

rawset(co, "resume", resume)
rawset(co, "status", status)
rawset(co, "wrap", wrap)

return co

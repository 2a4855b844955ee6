-- The modules of the manual's Lua, from the inside. msys_served_spec.lua has whole scripts.
local httpsrv = require "httpsrv"
local msys = require "msys"
local thread = require "thread"
local support = require "support.server"
local timed = support.timed

-- What runs in pools is to have the global environment, not that of busted.
local assert, describe, it, before_each, after_each = assert, describe, it, before_each, after_each
setfenv(1, _G)

local function failure(fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  return err
end

describe("msys", function()
  it("is there whole, whichever module is required", function()
    assert.are.equal(msys, rawget(_G, "msys"))
    assert.are.equal(msys.core, require "msys.core")
    assert.are.equal(msys.httpsrv, require "msys.httpsrv")
    assert.are.equal(msys.httpsrv, require "msys.extended.httpsrv")
    assert.are.equal(msys.timer, require "msys.timer")
    assert.are.equal(thread, rawget(_G, "thread"))
    assert.are.equal(httpsrv.DONE, msys.httpsrv.DONE)
  end)

  -- proves: msys.asyncOk, msys.sleep
  it("knows where a wait is possible, and waits", timed(function()
    assert.is_true(msys.asyncOk())
    local inside
    table.sort({ 2, 1 }, function(a, b)
      inside = msys.asyncOk()
      return a < b
    end)
    assert.is_false(inside)
    local other = httpsrv.spawn(function() return "other" end)
    assert.is_true(msys.sleep(0.001))
    assert.is_true(other:is_done())
  end))

  -- proves: msys.core.get_now_ts
  it("has the time of day", function()
    local before = os.time()
    local now = msys.core.get_now_ts()
    assert.is_true(now >= before - 1 and now <= os.time())
  end)

  -- proves: msys.readfile
  it("reads files whole", timed(function()
    local dir = support.folder({ text = "one\ntwo\0", empty = "" })
    assert.are.equal("one\ntwo\0", msys.readfile(dir .. "/text"))
    assert.are.equal("one\ntwo\0", msys.readfile("file://" .. dir .. "/text"))
    assert.are.equal("", msys.readfile(dir .. "/empty"))
    local text, why, code = msys.readfile(dir .. "/none")
    assert.is_nil(text)
    assert.is_truthy(why:find("No such file", 1, true))
    assert.are.equal("ENOENT", code)
    assert.are.same({ nil, "EISDIR" }, { (msys.readfile(dir)), (select(3, msys.readfile(dir))) })
    assert.is_truthy(failure(msys.readfile):find("bad argument #1 to 'readfile' (string expected, got nil)", 1, true))
    support.remove(dir)
  end))
end)

describe("msys.core", function()
  -- proves: msys.core.io_wrapper_open
  it("opens files, and writes so many bytes of a buffer", timed(function()
    local dir = support.folder({ old = "old" })
    local core = msys.core
    local name = dir .. "/new"
    local log = assert(core.io_wrapper_open(name, core.O_CREAT | core.O_APPEND | core.O_WRONLY, 0640))
    assert.are.equal(log, log:write("abcdef", 3))
    log:write("ghi")
    log:write("jkl", "mno")
    log:write("xyz", 0)
    log = nil
    assert.are.equal("abcghijklmno", msys.readfile(name))
    local _, mode = support.shell('stat -c %a "$1"', name)
    assert.are.equal("640\n", mode)
    local io = assert(core.io_wrapper_open(dir .. "/old"))
    assert.are.equal("old", io:read("*a"))
    io:close()
    io = assert(core.io_wrapper_open(dir .. "/old", core.O_RDRW | core.O_BINARY))
    io:write("new")
    assert.are.equal("new", msys.readfile(dir .. "/old"))
    local none, why, code = core.io_wrapper_open(dir .. "/none", core.O_RDONLY, 0)
    assert.are.same({ nil, "ENOENT" }, { none, code })
    assert.is_truthy(why:find("No such file", 1, true))
    support.remove(dir)
    assert.is_nil(log)
  end))

  it("leaves other ios as they are", timed(function()
    local reader, writer = httpsrv.io.pipe()
    writer:write("n: ", 2)
    writer:close()
    assert.are.equal("n: 2", reader:read("*a"))
  end))

  it("refuses what cannot be written", timed(function()
    local io = assert(msys.core.io_wrapper_open("/dev/null", msys.core.O_WRONLY))
    assert.is_truthy(failure(io.write, io, "abc", 4):find("bad argument #2 to 'write' (4 bytes of a string of 3)", 1, true))
    assert.is_truthy(failure(io.write, io, "abc", -1):find("bad argument #2 to 'write' (number of bytes expected)", 1, true))
    assert.is_truthy(failure(io.write, io, "abc", 0.5):find("number of bytes expected", 1, true))
    assert.is_truthy(failure(io.write, io, 12, 1):find("bad argument #1 to 'write' (string expected, got number)", 1, true))
    assert.is_truthy(failure(msys.core.io_wrapper_open):find("bad argument #1 to 'io_wrapper_open'", 1, true))
    assert.is_truthy(failure(msys.core.io_wrapper_open, "x", "r"):find("bad argument #2 to 'io_wrapper_open'", 1, true))
    assert.is_truthy(failure(msys.core.io_wrapper_open, "x", 0, "644"):find("bad argument #3 to 'io_wrapper_open'", 1, true))
    io:close()
    assert.are.same({ nil, "EBADF" }, { (io:write("x")), (select(3, io:write("x"))) })
  end))

  -- proves: msys.core.dict_iter2, msys.core.dict_next, msys.core.dict_iter2_free
  it("walks dictionaries", function()
    local core = msys.core
    local dict, seen, n = { a = "1", b = "2", c = "" }, {}, 0
    local iter = core.dict_iter2(dict)
    while true do
      local rc, k, v = core.dict_next(dict, iter)
      if rc == 0 then break end
      assert.are.equal(1, rc)
      seen[k], n = v, n + 1
      dict[k] = nil -- allowed
    end
    assert.are.same({ a = "1", b = "2", c = "" }, seen)
    assert.are.equal(3, n)
    assert.are.same({ 0 }, { core.dict_next(dict, iter) })
    core.dict_iter2_free(dict, iter)
    assert.are.same({ 0 }, { core.dict_next({}, core.dict_iter2({})) })
    dict = { a = "1" }
    iter = core.dict_iter2(dict)
    core.dict_iter2_free(dict, iter)
    assert.are.same({ 0 }, { core.dict_next(dict, iter) })
    assert.is_truthy(failure(core.dict_iter2):find("bad argument #1 to 'dict_iter2' (dictionary expected, got no value)", 1, true))
    assert.is_truthy(failure(core.dict_next, {}):find("bad argument #2 to 'dict_next' (iterator expected, got no value)", 1, true))
    assert.is_truthy(failure(core.dict_next, 1, iter):find("bad argument #1 to 'dict_next'", 1, true))
    assert.is_truthy(failure(core.dict_iter2_free, {}, {}):find("bad argument #2 to 'dict_iter2_free'", 1, true))
  end)

  -- proves: msys.core.string_new, ec_string:set, ec_string:append, ec_string:clear
  it("makes strings that can be changed", function()
    local s, t = msys.core.string_new(), msys.core.string_new()
    assert.are.equal("", tostring(s))
    assert.are.equal(0, #s)
    s:set("example.com")
    assert.are.equal("example.com", tostring(s))
    assert.are.equal(11, #s)
    s:append(8)
    t:set(s)
    t:append("!")
    assert.are.equal("example.com8", tostring(s))
    assert.are.equal("example.com8!", tostring(t))
    assert.are.equal("<example.com8>", "<" .. s .. ">")
    assert.is_true(s < t and s <= t and s ~= t)
    t:set("example.com8")
    assert.is_true(s == t)
    s:clear()
    assert.are.equal(0, #s)
    assert.are.equal("userdata", type(s))
    assert.is_truthy(failure(s.set, s):find("bad argument #1 to 'set' (string expected, got no value)", 1, true))
    assert.is_truthy(failure(s.append, {}, "x"):find("calling 'append' on bad self (ec_string expected, got table)", 1, true))
    collectgarbage()
    assert.are.equal("example.com8", tostring(t))
  end)

  it("has the manual's constants", function()
    for _, name in ipairs { "O_RDONLY", "O_WRONLY", "O_RDWR", "O_CREAT", "O_APPEND", "O_TRUNC", "O_EXCL" } do
      assert.are.equal(httpsrv.io[name], msys.core[name], name)
    end
    local seen = {}
    for _, name in ipairs { "EC_AUTH_ERROR", "EC_AUTH_FAIL", "EC_AUTH_OK" } do
      local value = msys.core[name]
      assert.is_true(type(value) == "number" and not seen[value], name)
      seen[value] = true
    end
    assert.are_not.equal(msys.core.ECTP_COMPLETE_CALLBACK, msys.core.ECTP_COMPLETE_CALLBACK_SCHED)
  end)
end)

describe("msys.runInPool", function()
  local core = msys.core
  local FLAGS = core.O_CREAT + core.O_APPEND + core.O_WRONLY
  local dir, name

  -- What the file says once it says something.
  local function text()
    return support.eventually(function()
      local t = msys.readfile(name)
      return t and t ~= "" and t
    end)
  end

  before_each(timed(function()
    dir = support.folder()
    name = dir .. "/file"
  end))
  after_each(timed(function() support.remove(dir) end))

  -- proves: msys.runInPool
  it("gives what the function gives, as pcall", timed(function()
    local upvalue = { 1, 2 }
    assert.are.same({ true, 3, nil, true }, { msys.runInPool("IO", function() return upvalue[1] + upvalue[2], nil, httpsrv.in_pool() end) })
    assert.are.same({ true }, { msys.runInPool("CPU", function() end, false) })
    local ok, err = msys.runInPool(1, function() error("boom") end)
    assert.is_false(ok)
    assert.is_truthy(err:match("msys_spec%.lua:%d+: boom$"), err)
  end))

  it("runs it beside when nobody waits", timed(function()
    assert.are.equal(0, select("#", msys.runInPool("IO", function()
      local log = msys.core.io_wrapper_open(name, FLAGS, 384)
      log:write("data and more", 4)
      log = nil
      return log
    end, true)))
    assert.are.equal("data", text())
  end))

  it("completes in the pool, or on the loop", timed(function()
    msys.runInPool("IO", function() end, function()
      local log = msys.core.io_wrapper_open(name, FLAGS, 384)
      log:write(httpsrv.in_pool() and "pool" or "loop")
    end)
    assert.are.equal("pool", text())
    local done, seen = httpsrv.event(), nil
    assert.are.equal(0, select("#", msys.runInPool("IO", function() error("for the log") end, function()
      seen = httpsrv.in_pool() and "pool" or "loop"
      done:set()
    end, core.ECTP_COMPLETE_CALLBACK_SCHED)))
    assert.is_true(done:wait(httpsrv.now() + 20))
    assert.are.equal("loop", seen)
  end))

  it("knows an io of the loop's, and how it is written to", timed(function()
    local log = assert(core.io_wrapper_open(name, FLAGS, 384))
    assert.are.same({ true, true }, { msys.runInPool("IO", function() return (pcall(log.write, log, "abcdef", 3)) end) })
    log:close()
    assert.are.equal("abc", text())
  end))

  it("shares locks and mutexes with the loop", timed(function()
    local m = thread.mutex()
    m:lock()
    assert.are.same({ true, false }, { msys.runInPool("IO", function() return m:trylock() end) })
    m:unlock()
    assert.are.same({ true, true, true }, { msys.runInPool("IO", function() return m:trylock(), m:unlock() end) })
    msys.lock("spec pool")
    local waits = httpsrv.spawn(function()
      return msys.runInPool("IO", function()
        msys.lock("spec pool")
        return "got it"
      end)
    end)
    assert.is_nil((waits:wait(httpsrv.now() + 0.05)))
    msys.unlock("spec pool")
    assert.are.same({ true, true, "got it" }, { waits:wait() })
    msys.lock("spec pool") -- let go by the function's end
    msys.unlock("spec pool")
  end))

  it("has a _OSTLS of its own there", timed(function()
    local mine = rawget(_G, "_OSTLS")
    mine.spec = "loop"
    assert.are.same({ true, "nil" }, { msys.runInPool("IO", function() return tostring(rawget(_G, "_OSTLS").spec) end) })
    mine.spec = nil
  end))

  it("says what cannot be", timed(function()
    assert.are.same({ false, "there is no pool 'none'" }, { msys.runInPool("none", print) })
    assert.are.same({ false, "there is no pool '99'" }, { msys.runInPool(99, print) })
    assert.is_truthy(failure(msys.runInPool, "none", print, true):find("there is no pool 'none'", 1, true))
    assert.is_truthy(failure(msys.runInPool, nil, print):find("bad argument #1 to 'runInPool' (name or id of a pool expected", 1, true))
    assert.is_truthy(failure(msys.runInPool, "IO"):find("bad argument #2 to 'runInPool' (function expected, got no value)", 1, true))
    assert.is_truthy(failure(msys.runInPool, "IO", print, 1):find("bad argument #3 to 'runInPool'", 1, true))
  end))

  -- proves: msys.threadpool.count, msys.threadpool.find, msys.threadpool.stat
  it("has pools with figures", timed(function()
    local pools = msys.threadpool
    local n = pools.count()
    assert.is_true(n >= 2)
    httpsrv.pool("msys_spec", { threads = 3, queue = 7 })
    assert.are.equal(n + 1, pools.count())
    local id = pools.find("msys_spec")
    assert.are.equal("number", type(id))
    assert.are.equal("msys_spec", pools.find(id))
    assert.are.equal("IO", pools.find(pools.find("IO")))
    assert.is_nil(pools.find("none"))
    assert.is_nil(pools.find(-7))
    assert.is_nil(pools.stat("none"))
    for _ = 1, 2 do msys.runInPool(id, function() httpsrv.sleep(0.002) end) end
    local st = pools.stat(id)
    assert.are.same({ "msys_spec", 2, 7, 0, 0 }, { st.name, st.invocations, st.queue_sz, st.job_num_queued, st.job_num_running })
    assert.are.equal(st.num_threads, st.num_active_threads + st.num_inactive_threads)
    assert.is_true(st.num_threads >= 1 and st.num_threads <= 3)
    assert.is_true(st.avg_wallclock_time_per_op > 0 and st.avg_concurrency > 0 and st.saturation == 0)
    assert.is_truthy(tostring(pools.stat("msys_spec")):find("name: msys_spec\ninvocations: 2\n", 1, true))
    assert.is_truthy(failure(pools.stat):find("bad argument #1 to 'stat' (name or id of a pool expected, got no value)", 1, true))
  end))
end)

describe("msys.registerAuth", function()
  -- proves: msys.registerAuth, msys.authHandler
  it("refuses what is no scheme", function()
    local ok = { authenticate = function() end }
    assert.is_true(msys.registerAuth("spec scheme", ok))
    assert.is_truthy(failure(msys.registerAuth, "spec scheme", ok):find("the scheme 'spec scheme' is registered already", 1, true))
    assert.is_truthy(failure(msys.registerAuth, 1, ok):find("bad argument #1 to 'registerAuth' (string expected, got number)", 1, true))
    assert.is_truthy(failure(msys.registerAuth, "x"):find("bad argument #2 to 'registerAuth' (table expected, got no value)", 1, true))
    assert.is_truthy(failure(msys.registerAuth, "x", {}):find("authenticate: function expected", 1, true))
    assert.are.equal("function", type(msys.authHandler("later")))
    assert.is_truthy(failure(msys.authHandler):find("bad argument #1 to 'authHandler'", 1, true))
    assert.is_truthy(failure(msys.authHandler, "x", 1):find("bad argument #2 to 'authHandler' (table expected, got number)", 1, true))
    assert.is_truthy(failure(msys.authHandler, "x", { relm = "x" }):find("unknown option 'relm'", 1, true))
    assert.is_truthy(failure(msys.authHandler, "x", { realm = 1 }):find("option 'realm': string expected", 1, true))
    assert.is_truthy(failure(msys.authHandler, "x", { realm = "a\nb" }):find("control characters", 1, true))
  end)
end)

describe("a named lock", function()
  -- proves: msys.lock, msys.unlock
  it("is held by one at a time, and goes to who asked first", timed(function()
    local order, inside, most, tasks = {}, 0, 0, {}
    for i = 1, 5 do
      tasks[i] = httpsrv.spawn(function()
        assert(msys.lock("spec order") == true)
        inside = inside + 1
        most = math.max(most, inside)
        order[#order + 1] = i
        httpsrv.sleep(0.001)
        inside = inside - 1
        assert(msys.unlock("spec order") == true)
      end)
    end
    for i = 1, 5 do assert.are.same({ true }, { tasks[i]:wait() }) end
    assert.are.equal(1, most)
    assert.are.same({ 1, 2, 3, 4, 5 }, order)
  end))

  it("is let go when its holder ends, however it does", timed(function()
    local function ends(fn)
      local task = httpsrv.spawn(function()
        msys.lock("spec end")
        msys.lock("spec end 2")
        fn()
      end)
      return task
    end
    ends(function() end):wait()
    ends(function() error("on purpose") end):wait()
    local waits = ends(function() httpsrv.sleep(1000) end)
    httpsrv.sleep(0.001)
    waits:cancel()
    waits:wait()
    assert.is_true(msys.lock("spec end"))
    assert.is_true(msys.lock("spec end 2"))
    msys.unlock("spec end")
    msys.unlock("spec end 2")
  end))

  it("passes one by who gives up waiting", timed(function()
    msys.lock("spec passes")
    local first = httpsrv.spawn(function() msys.lock("spec passes") return "first" end)
    local second = httpsrv.spawn(function() msys.lock("spec passes") return "second" end)
    httpsrv.sleep(0.001)
    first:cancel()
    httpsrv.sleep(0.001)
    msys.unlock("spec passes")
    assert.are.same({ true, "second" }, { second:wait() })
    assert.are.same({ false, httpsrv.cancelled }, { first:wait() })
    -- Given up in the moment in which it was got.
    msys.lock("spec passes")
    first = httpsrv.spawn(function() msys.lock("spec passes") end)
    second = httpsrv.spawn(function() msys.lock("spec passes") return "second" end)
    httpsrv.sleep(0.001)
    msys.unlock("spec passes")
    first:cancel()
    assert.are.same({ true, "second" }, { second:wait() })
    msys.lock("spec passes")
    msys.unlock("spec passes")
  end))

  it("is not its holder's twice, and not another's to let go", timed(function()
    msys.lock("spec twice")
    assert.is_truthy(failure(msys.lock, "spec twice"):find("'lock': the lock is held already, by the same task", 1, true))
    local _, ok, err = httpsrv.spawn(function() return pcall(msys.unlock, "spec twice") end):wait()
    assert.is_false(ok)
    assert.is_truthy(err:find("'unlock': the lock 'spec twice' is not held", 1, true))
    msys.unlock("spec twice")
    assert.is_truthy(failure(msys.unlock, "spec twice"):find("is not held", 1, true))
    assert.is_truthy(failure(msys.lock):find("bad argument #1 to 'lock' (string expected, got no value)", 1, true))
    assert.is_truthy(failure(msys.lock, ("x"):rep(5000)):find("name is too long", 1, true))
    assert.is_truthy(failure(msys.lock, "\0x"):find("cannot begin with a NUL", 1, true))
  end))
end)

describe("a mutex", function()
  -- proves: thread.mutex, mutex:lock, mutex:trylock, mutex:unlock
  it("is held by one at a time", timed(function()
    local m, other = thread.mutex(), thread.mutex(thread.MUTEX_ERRORCHECK)
    assert.is_true(m:lock())
    assert.is_true(other:trylock())
    assert.is_false(m:trylock())
    assert.is_truthy(failure(m.lock, m):find("held already", 1, true))
    local task = httpsrv.spawn(function()
      local tried = m:trylock()
      m:lock()
      return tried, m:unlock()
    end)
    httpsrv.sleep(0.001)
    assert.is_false(task:is_done())
    assert.is_true(m:unlock())
    assert.are.same({ true, false, true }, { task:wait() })
    assert.is_truthy(failure(m.unlock, m):find("'unlock': the mutex is not held", 1, true))
    assert.is_true(other:unlock())
    assert.are.equal("mutex", tostring(m))
  end))

  it("is counted when it is recursive", timed(function()
    local m = thread.mutex(thread.MUTEX_RECURSIVE)
    local function free() return select(2, httpsrv.spawn(function() return m:trylock() and m:unlock() end):wait()) end
    assert.is_true(m:lock())
    assert.is_true(m:lock())
    assert.is_true(m:trylock())
    m:unlock()
    m:unlock()
    assert.is_false(free())
    m:unlock()
    assert.is_true(free())
    assert.is_truthy(failure(m.unlock, m):find("is not held", 1, true))
    -- Not unlocked to the end by a holder that is gone.
    httpsrv.spawn(function() m:lock() m:lock() end):wait()
    m:lock()
    m:unlock()
    assert.is_true(free())
  end))

  it("is of a known kind", function()
    assert.is_truthy(failure(thread.mutex, 7):find("bad argument #1 to 'mutex'", 1, true))
    assert.is_truthy(failure(thread.mutex().lock, 1):find("calling 'lock' on bad self (mutex expected, got number)", 1, true))
  end)
end)

describe("_TLS and _OSTLS", function()
  it("are tables for all where there is no session", function()
    local _TLS, _OSTLS = rawget(_G, "_TLS"), rawget(_G, "_OSTLS")
    _TLS.spec = 1
    assert.are.equal(1, _TLS.spec)
    _TLS.spec = nil
    assert.is_nil(_TLS.spec)
    _OSTLS.spec = 2
    assert.are.equal(2, _OSTLS.spec)
    _OSTLS.spec = nil
  end)
end)

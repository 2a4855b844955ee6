-- Thread pools: what travels, handlers in pools, cancelling, full queues.
local httpsrv = require "httpsrv"
local spec = require "support.server"
local cjson = require "cjson"

-- What runs in pools is to have the global environment, not that of busted.
local assert, describe, it, setup, teardown = assert, describe, it, setup, teardown
local must = _G.assert
setfenv(1, _G)

local timed = spec.timed
local run = httpsrv.run_in_pool

local pools = 0
local function new_pool(settings)
  pools = pools + 1
  return httpsrv.pool("spec" .. pools, settings)
end

describe("pool", function()
  -- proves: httpsrv.pool, httpsrv.pool_stat, httpsrv.pool_names
  it("is declared with its limits", timed(function()
    local name = new_pool({ threads = 3, queue = 7 })
    local st = httpsrv.pool_stat(name)
    assert.are.same({ name, 3, 7, 0, 0, 0, 0, 0, 0 },
      { st.name, st.threads_max, st.queue_max, st.threads, st.active, st.queued, st.done, st.wait, st.run })
    assert.are.same({ true, 1 }, { run(name, function() return 1 end) })
    st = httpsrv.pool_stat(name)
    assert.are.same({ 1, 0, 0, 1 }, { st.threads, st.active, st.queued, st.done })
    assert.is_true(st.run > 0 and st.run < 60 and st.wait > 0 and st.wait < 60)
    local names = httpsrv.pool_names()
    assert.are.same({ "IO", "CPU" }, { names[1], names[2] })
    assert.are.equal(name, names[#names])
    assert.are.same({ nil, "there is no pool 'nowhere'", "ENOENT" }, { httpsrv.pool_stat("nowhere") })
  end))

  -- proves: httpsrv.pool
  it("refuses bad settings", function()
    local function message(...)
      local ok, err = pcall(httpsrv.pool, ...)
      assert.is_false(ok)
      return err
    end
    assert.is_truthy(message():find("bad argument #1 to 'pool' %(string expected, got no value%)"))
    assert.is_truthy(message("a b"):find("bad argument #1 to 'pool' %(a name of letters"))
    assert.is_truthy(message("x", 1):find("bad argument #2 to 'pool' %(table of settings expected, got number%)"))
    assert.is_truthy(message("x", { size = 1 }):find("unknown setting 'size'"))
    for _, settings in ipairs { { threads = 0 }, { threads = 1025 }, { threads = 1.5 }, { threads = "4" }, { queue = -1 } } do
      assert.is_truthy(message("x", settings):find("integer from"))
    end
    assert.is_truthy(message("IO"):find("exists always"))
    local name = new_pool()
    assert.is_truthy(message(name):find("is declared already at .*pool_spec.lua:%d+"))
    assert.is_nil(httpsrv.pool_stat("x"))
  end)
end)

describe("run_in_pool", function()
  -- proves: httpsrv.run_in_pool, httpsrv.in_pool
  it("returns as pcall", timed(function()
    assert.is_false(httpsrv.in_pool())
    local function count(...) return select("#", ...), ... end
    assert.are.same({ 4, true, true, nil, "x" }, { count(run("IO", function(...) return httpsrv.in_pool(), ... end, nil, "x")) })
    local ok, err = run("IO", function() error("broken") end)
    assert.is_false(ok)
    assert.is_truthy(err:find("broken$"))
    ok, err = run("IO", function() error({ code = 7 }) end)
    assert.are.same({ false, { code = 7 } }, { ok, err })
    ok, err = run("IO", function() error() end)
    assert.are.same({ false, nil }, { ok, err })
    ok, err = run("IO", function() return coroutine.create(print) end)
    assert.is_false(ok)
    assert.are.equal("result 1 cannot travel to another thread: it is a coroutine", err)
    assert.are.same({ nil, "there is no pool 'nowhere'", "ENOENT" }, { run("nowhere", print) })
  end))

  -- proves: httpsrv.run_in_pool
  it("copies values, with their shape", timed(function()
    local shared = { 1 }
    local t = { a = shared, b = shared, [1] = 2.5, [true] = "x\0y", ["k k"] = false, null = httpsrv.null }
    t.self = t
    local ok, same = run("CPU", function(u)
      return u.self == u and u.a == u.b and u.a[1] == 1 and u[1] == 2.5 and u[true] == "x\0y" and u["k k"] == false
        and u.null == httpsrv.null
    end, t)
    assert.are.same({ true, true }, { ok, same })
    local _, back = run("CPU", function() t.more = t.a return t end)
    assert.are.equal(back, back.self)
    assert.are.equal(back.a, back.more)
    assert.is_nil(t.more)
    assert.are_not.equal(t, back)

    local mt = { __index = function(_, key) return key .. "!" end }
    local _, value = run("CPU", function(o) return o.x .. getmetatable(o).__index(nil, "y") end, setmetatable({}, mt))
    assert.are.equal("x!y!", value)
  end))

  it("copies functions, with the upvalues that they share", timed(function()
    local count = 10
    local function up() count = count + 1 return count end
    local function both() up() return up() + count end
    local _, a, b = run("CPU", function() return both(), up() end)
    assert.are.same({ 24, 13 }, { a, b })
    assert.are.equal(10, count)

    local function factorial(n) return n < 2 and 1 or n * factorial(n - 1) end
    assert.are.same({ true, 120 }, { run("CPU", factorial, 5) })

    local g = setfenv(function() return answer end, { answer = 42 }) -- luacheck: ignore 113
    assert.are.same({ true, 42 }, { run("CPU", g) })
    -- and back
    local _, made = run("CPU", function() local n = 5 return function(m) n = n + m return n end end)
    assert.are.equal(7, made(2))
    assert.are.equal(8, made(1))
  end))

  it("finds modules and their fields again by name", timed(function()
    local format, encode = string.format, cjson.encode
    local _, a, b, same = run("CPU", function()
      return format("%d", 3), encode({ 1 }), format == string.format and cjson == require "cjson" and print == _G.print
    end)
    assert.are.same({ "3", "[1]", true }, { a, b, same })
    local _, cancelled = run("CPU", function() return httpsrv.cancelled end)
    assert.are.equal(httpsrv.cancelled, cancelled)
  end))

  it("names what cannot travel", timed(function()
    local function message(...)
      local ok, err = pcall(run, "IO", ...)
      assert.is_false(ok)
      return (err:gsub("^%S*pool_spec.lua:%d+: ", ""))
    end
    local function how(what, why) return what .. " cannot travel to another thread: it is " .. why end
    local x = { y = { coroutine.create(print) } }
    assert.are.equal(how("upvalue 'x'.y[1]", "a coroutine"), message(function() return x end))
    local f = function() return x end
    local t = { f = f }
    assert.are.equal(how("upvalue 't'.f: upvalue 'x'.y[1]", "a coroutine"), message(function() return t end))
    assert.are.equal(how("argument 2.z", "a userdata value"), message(print, 1, { z = newproxy() }))
    assert.are.equal(how("argument 1", "a cdata value"), message(print, 1LL))
    assert.are.equal(how("argument 1[boolean]", "a C function that no module has"),
      message(print, { [true] = coroutine.wrap(print) and string.gmatch("", "") }))
    assert.are.equal(how("the metatable of argument 1.u", "a userdata value"), message(print, setmetatable({}, { u = newproxy() })))
    local deep = {}
    local at = deep
    for _ = 1, 1000 do at.d = {} at = at.d end
    assert.is_truthy(message(print, deep):find("nested too deeply"))
    -- nothing was lent by the failed ones
    local io = httpsrv.io.memory("abc")
    assert.is_truthy(message(print, io, newproxy()):find("argument 2"))
    assert.are.equal("abc", io:read("*a"))
  end))

  it("lends ios", timed(function()
    local io = httpsrv.io.memory("one\ntwo\nthree\n")
    assert.are.equal("one", io:read("*l"))
    local r, w = httpsrv.io.pipe()
    local gate, opener = httpsrv.io.pipe()
    local task = httpsrv.spawn(run, "IO", function(i)
      w:write("begun\n")
      gate:read("*l")
      return i:read("*l"), i
    end, io)
    assert.are.equal("begun", r:read("*l"))
    assert.are.same({ nil, "io is in use by another thread", "EBUSY" }, { io:read("*l") })
    assert.are.same({ nil, "io is in use by another thread", "EBUSY" }, { io:close() })
    assert.is_false((pcall(run, "CPU", print, io)))
    opener:write("go\n")
    assert.are.same({ true, true, "two", io }, { task:wait() })
    assert.are.equal("three", io:read("*l"))
    local writer = httpsrv.spawn(run, "IO", function() w:write("through ", "threads\n") w:close() end)
    assert.are.same({ true, "through threads" }, { run("CPU", function() return r:read("*l") end) })
    assert.are.same({ true, true }, { writer:wait() })
    assert.are.same({ nil, "io is closed", "EBADF" }, { w:write("x") })
    assert.are.equal("io (closed)", tostring(w))

    local _, made = run("IO", function() return httpsrv.io.memory("made there") end)
    assert.are.equal("made there", made:read("*a"))
    local generator = httpsrv.io.generator(function(write)
      for i = 1, 3 do
        write(i)
        httpsrv.sleep(0)
      end
    end)
    assert.are.same({ true, "12" }, { run("IO", function() return generator:read(2) end) })
    assert.are.equal("3", generator:read("*a"))
    local ok2, err = run("IO", function() return httpsrv.io.generator(function() end) end)
    assert.is_false(ok2)
    assert.is_truthy(err:find("works only in the thread that made it"))
    local closed = httpsrv.io.memory("")
    closed:close()
    assert.is_false((pcall(run, "IO", print, closed)))
  end))

  it("reads and writes files, sleeps, waits for tasks", timed(function()
    local name = os.tmpname()
    local ok, text = run("IO", function()
      local io = must(httpsrv.io.open(name, "w+"))
      must(io:write("a", "b", 1, "\n"))
      must(io:seek("set", 0) == 0)
      local line = io:read("*l")
      io:close()
      httpsrv.sleep(0)
      local queue = httpsrv.queue(1)
      httpsrv.spawn(function() httpsrv.sleep(0) queue:put("c") end)
      local sem, event = httpsrv.semaphore(1), httpsrv.event()
      sem:acquire()
      httpsrv.spawn(function() sem:release() event:set() end)
      sem:acquire()
      event:wait()
      local made = {}
      for piece in httpsrv.io.generator(function(write) write("d") httpsrv.sleep(0) write("e") end):chunks() do
        made[#made + 1] = piece
      end
      local child = must(httpsrv.io.popen { "echo", "f" })
      return line .. queue:get() .. table.concat(made) .. child.stdout:read("*l") .. child:wait()
    end)
    os.remove(name)
    assert.are.same({ true, "ab1cdef0" }, { ok, text })
  end))

  it("refuses what belongs to the loop", timed(function()
    for _, code in ipairs { "timer.after(1, print)", "timer.every(1, print)", "timer.at(1, print)", "spawn_detached(print)",
      "on_unload(print)" } do
      local ok, err = run("IO", function() return must(loadstring("require 'httpsrv'." .. code))() end)
      assert.is_false(ok)
      assert.is_truthy(err:find("is not possible in a pool thread"), err)
    end
  end))

  it("bytecode is still refused, there too", timed(function()
    local ok, fn, err = run("IO", function() return loadstring(string.dump(function() end)) end)
    assert.are.same({ true, nil }, { ok, fn })
    assert.is_truthy(err:find("bytecode") or err:find("mode"))
  end))

  it("ends the tasks that the function leaves behind", timed(function()
    local name = new_pool({ threads = 1 })
    local before = httpsrv.live().tasks
    assert.are.same({ true }, { run(name, function()
      httpsrv.spawn(function() httpsrv.queue():get() end)
    end) })
    assert.are.equal(before, httpsrv.live().tasks)
  end))

  it("is cancelled with the task that waits", timed(function()
    local name = new_pool({ threads = 1, queue = 5 })
    local r, w = httpsrv.io.pipe()
    local reached = httpsrv.spawn(function() return r:read("*l") end)
    local task = httpsrv.spawn(run, name, function()
      w:write("begun\n")
      local ok, err = pcall(function() httpsrv.queue():get() end)
      w:write(tostring(not ok and err == httpsrv.cancelled), "\n")
    end)
    assert.are.same({ true, "begun" }, { reached:wait() })
    -- one that waits in the queue is taken out of it
    local queued = httpsrv.spawn(run, name, function() error("must not run") end)
    spec.eventually(function() return httpsrv.pool_stat(name).queued == 1 end)
    queued:cancel()
    assert.are.same({ false, httpsrv.cancelled }, { queued:wait() })
    assert.are.equal(0, httpsrv.pool_stat(name).queued)
    task:cancel()
    assert.are.same({ false, httpsrv.cancelled }, { task:wait() })
    assert.are.equal("true", r:read("*l"))
    assert.are.same({ true, 1 }, { run(name, function() return 1 end) })
  end))

  it("says when the pool is full", timed(function()
    local name = new_pool({ threads = 1, queue = 1 })
    local r, w = httpsrv.io.pipe()
    local first = httpsrv.spawn(run, name, function() return r:read("*l") end)
    local second = httpsrv.spawn(run, name, function() return "second" end)
    spec.eventually(function() return httpsrv.pool_stat(name).queued == 1 and httpsrv.pool_stat(name).active == 1 end)
    local io = httpsrv.io.memory("kept")
    assert.are.same({ nil, ("pool '%s' is full"):format(name), "EAGAIN" }, { run(name, function() return io end) })
    assert.are.equal("kept", io:read("*a"))
    w:write("first\n")
    assert.are.same({ true, true, "first" }, { first:wait() })
    assert.are.same({ true, true, "second" }, { second:wait() })
  end))

  it("from a pool to another, never to the same", timed(function()
    local name = new_pool({ threads = 1 })
    local ok, a, b = run(name, function()
      local _, inner = httpsrv.run_in_pool("CPU", function(x) return x + 1 end, 1)
      local none, _, code = httpsrv.run_in_pool(name, print)
      return inner, none == nil and code
    end)
    assert.are.same({ true, 2, "EDEADLK" }, { ok, a, b })
  end))

  it("raises for wrong arguments, and where it cannot wait", timed(function()
    local function message(...) return select(2, pcall(run, ...)) end
    assert.is_truthy(message():find("bad argument #1 to 'run_in_pool' %(name of a pool expected, got no value%)"))
    assert.is_truthy(message("IO", 1):find("bad argument #2 to 'run_in_pool' %(function expected, got number%)"))
    assert.is_truthy(message("IO"):find("got no value"))
    local ok, err = pcall(table.sort, { 1, 2 }, function() run("IO", print) end)
    assert.is_false(ok)
    assert.is_truthy(err:find("cannot wait inside table.sort"))
  end))

  it("many at once, in all directions", timed(function()
    local tasks = {}
    for i = 1, 100 do
      tasks[i] = httpsrv.spawn(function()
        local ok, r = run(i % 2 == 0 and "CPU" or "IO", function(n)
          local sum = 0
          for k = 1, n do sum = sum + k end
          return { sum = sum, n = n }
        end, i)
        must(ok and r.n == i and r.sum == i * (i + 1) / 2)
      end)
    end
    for i = 1, 100 do assert.are.same({ true }, { tasks[i]:wait() }) end
  end))
end)

-- Handlers: POST /four and /one run the body's code in a pool thread, with sess; /run/NAME (spec/handlers/code.lua) on the loop.
describe("a handler in a pool", function()
  local server

  local HANDLERS = [[
local httpsrv = require "httpsrv"
local four = httpsrv.pool("four", { threads = 4, queue = 100 })
local one = httpsrv.pool("one", { threads = 1, queue = 1 })
loaded = (loaded or 0) + 1
local function run(sess)
  local text = assert(sess:request_data_get_string())
  return assert(loadstring('local sess, httpsrv = ... ' .. text, "@code.lua"))(sess, httpsrv)
end
httpsrv.register("POST", "/four", run, { pool = four })
httpsrv.register("POST", "/one", run, { pool = one })
httpsrv.register("POST", "/continue", run, { pool = one, on_abort = "continue" })
httpsrv.register("POST", "/body", function(sess)
  local body = assert(sess:request_data_get())
  local first = body:read(5)
  local n, digest = 0, 0
  for piece in body:chunks() do
    n = n + #piece
    for i = 1, #piece, 997 do digest = (digest * 31 + piece:byte(i)) % 1000003 end
  end
  sess:response_printf("%s %d", first, n)
end, { pool = four })
httpsrv.register("POST", "/echo", function(sess)
  local body = assert(sess:request_data_get())
  sess:response_append(body:read("*l") .. "|")
  sess:response_io(body)
end, { pool = four })
httpsrv.before(function() end, { path = "/nowhere" })
httpsrv.register("GET", "/pools", function(sess)
  sess:response_json({ four = httpsrv.pool_stat("four"), one = httpsrv.pool_stat("one") })
end)
httpsrv.timer.every(3600, function() end)
httpsrv.spawn_detached(function() httpsrv.queue():get() end)
httpsrv.on_unload(function() end)
]]

  setup(function() server = assert(spec.start({ ["a.lua"] = HANDLERS })) end)
  teardown(function()
    local status, killed = server:stop()
    assert.are.same({ 0 }, { status, killed })
  end)

  local function post(code, pool) return server:request("POST", pool or "/four", { body = code }) end
  local function ask(code)
    local r = post("local function results() " .. code .. " end sess:response_json({ results() })")
    assert.are.equal(200, r.status, r.body)
    return unpack(cjson.decode(r.body))
  end
  local function pool(name) return cjson.decode(server:request("GET", "/pools").body)[name] end

  -- proves: httpsrv.register, httpsrv.in_pool
  it("has the session, with all that it can do", timed(function()
    assert.are.same({ true, "POST", "/four", "run" },
      { ask("return httpsrv.in_pool(), sess:request_method_get(), sess:request_path_get(), httpsrv.phase()") })
    local r = post([[
      sess:response_status_set_std(201, "Made", "text/plain")
      sess:response_header_set("X-Thread", "yes")
      for i = 1, 3 do assert(sess:response_append(i .. "\n") == true) end
      sess:response_io(httpsrv.io.memory("an io\n"))
      sess:response_printf("%s\n", "end")
    ]])
    assert.are.same({ 201, "yes", "1\n2\n3\nan io\nend\n" }, { r.status, r.headers["x-thread"], r.body })
    assert.are.same({ "bad argument #1 to 'response_status_set' (status from 200 to 599 expected)" },
      { (ask("return select(2, pcall(sess.response_status_set, sess, 99))"):gsub("^code.lua:1: ", "")) })
    assert.is_truthy(ask("return tostring(sess)"):match("^session %d+ %(live%)$"))
    local headers = ask("return sess:request_headers()")
    assert.is_truthy(headers.host)
    assert.are.equal(1, ask("return loaded"))
  end))

  it("an error of any type is 500, and in the log with its traceback", timed(function()
    for _, code in ipairs { 'error("broken on purpose")', "error({})", "error()", "local x = nil + 1",
      'error(setmetatable({}, { __tostring = function() error("worse") end }))' } do
      server:mark()
      local r = post(code)
      assert.are.equal(500, r.status)
      local id = assert(r.body:match("id (%x+)"))
      server:logs(id)
      server:logs("in pool 'four'")
      server:logs("in main chunk")
    end
    assert.are.equal(200, post("sess:response_string('alive')").status)
  end))

  it("reads the body as it comes", timed(function()
    local r = server:request("POST", "/body", { body = "12345" .. ("x"):rep(300000) })
    assert.are.same({ 200, "12345 300000" }, { r.status, r.body })
    r = server:request("POST", "/echo", { body = "line\nrest of it" })
    assert.are.same({ 200, "line|rest of it" }, { r.status, r.body })
  end))

  it("refuses a generator made there, by name", timed(function()
    local err = ask("return select(2, pcall(sess.response_io, sess, httpsrv.io.generator(function() end)))")
    assert.is_truthy(err:find("argument 1 cannot travel to another thread: it is an io that works only in the thread", 1, true))
  end))

  it("a full queue is 503 with Retry-After", timed(function()
    local name = os.tmpname()
    local hold = ("while not httpsrv.io.open(%q) do httpsrv.sleep(0.005) end sess:response_string('held')"):format(name .. ".go")
    local a = httpsrv.spawn(post, hold, "/one")
    spec.eventually(function() return pool("one").active == 1 end)
    local b = httpsrv.spawn(post, "sess:response_string('second')", "/one")
    spec.eventually(function() return pool("one").queued == 1 end)
    local r = post("sess:response_string('third')", "/one")
    assert.are.same({ 503, "1" }, { r.status, r.headers["retry-after"] })
    io.open(name .. ".go", "w"):close()
    local _, first = a:wait()
    local _, second = b:wait()
    os.remove(name .. ".go")
    os.remove(name)
    assert.are.same({ "held", "second" }, { first.body, second.body })
  end))

  it("learns of the client's end at the next session call", timed(function()
    local name = os.tmpname()
    local c = server:connect()
    c:request("POST", "/one", { body = ([[
      local f = io.open(%q, "w") f:write("begun\n") f:close()
      local ok, err
      repeat ok, err = pcall(sess.response_header_set, sess, "A", "b") until not ok
      f = io.open(%q, "w") f:write(tostring(err == httpsrv.cancelled), "\n") f:close()
    ]]):format(name, name) })
    local function content()
      local f = io.open(name)
      local text = f:read("*a")
      f:close()
      return text
    end
    spec.eventually(function() return content() == "begun\n" end)
    c:close()
    spec.eventually(function() return content() == "true\n" end)
    os.remove(name)
    assert.are.equal(200, post("sess:response_string('next')", "/one").status)
  end))

  it("a session kept past its end is harmless", timed(function()
    local r = post("kept = sess sess:response_string('kept')", "/one")
    assert.are.equal("kept", r.body)
    r = post([[
      local found = {}
      for _, m in ipairs { "request_method_get", "request_headers", "response_append", "response_flush", "ctx", "detach",
        "request_data_get" } do
        local value, msg, code = kept[m](kept, "x")
        found[#found + 1] = tostring(value) .. " " .. tostring(msg) .. " " .. tostring(code)
      end
      sess:response_string(table.concat(found, "\n"))
    ]], "/one")
    for line in r.body:gmatch("[^\n]+") do assert.are.equal("nil session has finished EBADF", line) end
  end))

  it("serves the loop meanwhile: 64 that block in a pool of 4", timed(function()
    local tasks, answered = {}, 0
    for i = 1, 64 do
      tasks[i] = httpsrv.spawn(function()
        local r = post(("os.execute('sleep 0.02') sess:response_string('%d')"):format(i))
        assert(r.status == 200 and r.body == tostring(i))
        answered = answered + 1
      end)
    end
    local meanwhile = 0
    while answered < 64 do
      assert.are.equal(200, server:request("GET", "/pools").status)
      if answered < 64 then meanwhile = meanwhile + 1 end
    end
    for i = 1, 64 do assert.are.same({ true }, { tasks[i]:wait() }) end
    assert.is_true(meanwhile > 0)
    assert.is_true(pool("four").threads == 4)
  end, 60))
end)

describe("a pool thread's scripts", function()
  it("have to register what the loop's have", timed(function()
    local server = assert(spec.start({ ["a.lua"] = [[
local httpsrv = require "httpsrv"
local p = httpsrv.pool("p")
httpsrv.register("GET", httpsrv.in_pool() and "/b" or "/a", function() end, { pool = p })
]] }))
    assert.are.equal(500, server:request("GET", "/a").status)
    server:logs("GET /b (pool p) is registered in a pool thread, but on the loop there is none such")
    server:stop()
  end))

  it("may have none less, nor have them in other pools", timed(function()
    for code, said in pairs {
      [ [[httpsrv.register("GET", "/a", f, { pool = p }) if not httpsrv.in_pool() then httpsrv.register(nil, "/b", f) end]] ] =
        "* /b (pool none) is registered on the loop, but not in a pool thread",
      [ [[httpsrv.register("GET", "/a", f, { pool = p }) httpsrv.register("GET", "/b", f, { pool = httpsrv.in_pool() and p or nil })]] ] =
        "GET /b (pool p) is registered in a pool thread, but on the loop its pool is none",
    } do
      local server = assert(spec.start({ ["a.lua"] = "local httpsrv = require 'httpsrv' local p = httpsrv.pool('p') local function f() end "
        .. code }))
      assert.are.equal(500, server:request("GET", "/a").status)
      server:logs(said)
      server:stop()
    end
  end))

  it("may register in any order", timed(function()
    local server = assert(spec.start({ ["a.lua"] = [[
      local httpsrv = require "httpsrv"
      local p = httpsrv.pool("p", { threads = 2 })
      local names = { "a", "b", "c", "d", "e" }
      for at = 1, #names do
        local name = names[httpsrv.in_pool() and #names + 1 - at or at]
        httpsrv.register("GET", "/" .. name, function(sess) sess:response_string(name .. tostring(httpsrv.in_pool())) end, { pool = p })
        httpsrv.register("POST", "/" .. name, function(sess) sess:response_string("loop " .. name) end)
      end
    ]] }))
    for _, name in ipairs { "a", "c", "e", "b", "d" } do
      assert.are.equal(name .. "true", server:request("GET", "/" .. name).body)
      assert.are.equal("loop " .. name, server:request("POST", "/" .. name).body)
    end
    server:stop()
  end))

  it("os.exit there ends the process", timed(function()
    local dir = spec.folder { ["a.lua"] = [[
local httpsrv = require "httpsrv"
httpsrv.run_in_pool("IO", function() os.exit(7) end)
]] }
    assert.are.equal(7, (spec.run("lua", dir .. "/a.lua")))
    spec.remove(dir)
  end))
end)

describe("a reload while a pool works", function()
  -- ruling 19
  it("lets jobs end on their generation, and closes its states when they have", timed(function()
    local SCRIPT = [[
local httpsrv = require "httpsrv"
local p = httpsrv.pool("p", { threads = 2 })
local version = %q
httpsrv.register("GET", "/handler", function(sess)
  local gate = assert(httpsrv.io.open(sess:request_args().gate[1]))
  sess:response_string(version .. " " .. gate:read("*l"))
end, { pool = p })
httpsrv.register("GET", "/function", function(sess)
  local gate = sess:request_args().gate[1]
  sess:response_string(select(2, assert(httpsrv.run_in_pool("p", function()
    return version .. " " .. assert(io.open(gate)):read("*l")
  end))))
end)
httpsrv.register("GET", "/version", function(sess) sess:response_string(version .. tostring(httpsrv.in_pool())) end, { pool = p })
httpsrv.register("GET", "/states", function(sess) sess:response_string(tostring(httpsrv.live().states)) end)
]]
    local server = assert(spec.start({ ["a.lua"] = SCRIPT:format("old") }))
    local function get(path) return server:request("GET", path).body end
    local jobs = {}
    for _, path in ipairs { "/handler", "/function" } do
      local gate = server.dir .. path
      spec.shell('mkfifo "$1"', gate)
      local c = server:connect()
      c:request("GET", path .. "?gate=" .. gate)
      jobs[#jobs + 1] = { c = c, gate = assert(httpsrv.io.open(gate, "w")) } -- opens when the job has
    end

    local file = assert(io.open(server.dir .. "/a.lua", "w"))
    file:write(SCRIPT:format("new"))
    file:close()
    spec.shell('kill -HUP "$1"', server.process)
    server:logs("reloaded: generation 2")
    local both = get("/states")
    for _, job in ipairs(jobs) do
      job.gate:write("went on\n")
      assert.are.equal("old went on", job.c:response().body)
    end
    assert.are.equal("newtrue", get("/version"))
    spec.eventually(function()
      local left = get("/states")
      return tonumber(left) < tonumber(both), ("%s states, %s while both lived"):format(left, both)
    end)
    local status, killed = server:stop()
    assert.are.same({ 0 }, { status, killed })
  end))
end)

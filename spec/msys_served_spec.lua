-- Scripts in the manual's Lua, served as they stand: tests/acceptance/msys.
local httpsrv = require "httpsrv"
local support = require "support.server"
local timed = support.timed

describe("a script of the manual's", function()
  local server, dir, control

  setup(timed(function()
    dir = support.folder()
    control = dir .. "/control"
    assert(support.shell('cp -R tests/acceptance/msys "$1/msys"', dir) == 0)
    server = assert(support.start(dir .. "/msys", "--control", control))
  end))

  teardown(timed(function()
    server:stop()
    support.remove(dir)
  end))

  local function body(method, target, options)
    local r = server:request(method, target, options)
    return r.status .. " " .. r.body
  end

  -- proves: msys.httpsrv.register, msys.core.dict_iter2, msys.core.dict_next, msys.registerModule
  it("reads the url and walks its attrs", timed(function()
    assert.are.equal("200 a=1 b=x y c=", body("GET", "/params?b=x+y&a=1&c="))
    assert.are.equal("404 no pairs in /params", body("GET", "/params"))
    assert.are.equal("404 no pairs in /params?x", body("GET", "/params?x"))
  end))

  it("registers an endpoint for each method", timed(function()
    assert.are.equal("200 /module/below?q was asked for", body("GET", "/module/below?q"))
    assert.are.equal("200 /module was asked for", body("POST", "/module"))
    assert.are.equal(405, server:request("PUT", "/module").status)
  end))

  -- proves: msys.registerControl, msys.core.get_now_ts
  it("has commands", timed(function()
    local function ctl(...) return support.run("ctl", "--control", control, ...) end
    assert.are.same({ 0, "say what to count\n" }, { ctl("count") })
    assert.are.same({ 2, "cannot count\tmails\tnil\n" }, { ctl("count", "mails") })
    server:request("GET", "/module")
    local status, text = ctl("count", "calls")
    assert.are.equal(0, status)
    assert.is_truthy(text:match("^count\t[1-9]%d*\ttrue\n$"), text)
  end))

  -- proves: msys.timer.after, msys.timer.at, msys.timer.every, msys.sleep, msys.asyncOk
  it("has timers that go on when nobody holds them", timed(function()
    assert.are.equal("200 repeater at 1 0 true", body("GET", "/timers"))
  end))

  -- proves: thread.mutex, mutex:lock
  it("has mutexes between its coroutines", timed(function()
    local tasks = {}
    for i = 1, 10 do tasks[i] = httpsrv.spawn(function() return body("POST", "/count", { body = "1" }) end) end
    for i = 1, 10 do assert.are.same({ true, "200 " }, { tasks[i]:wait() }) end
    assert.are.equal("200 20", body("GET", "/count"))
  end))

  it("has locks that end with their holder, and values of each session's own", timed(function()
    for i = 1, 3 do assert.are.equal("200 kept for /keep?" .. i, body("GET", "/keep?" .. i)) end
  end))

  it("requires modules of either kind", timed(function()
    assert.are.equal("200 17 420 644 \195\164-", body("GET", "/flags"))
  end))

  -- proves: msys.readfile
  it("reads files", timed(function()
    assert.are.equal("200 require \"msys.core\"\n", body("GET", "/readfile/lib/flags.lua"):sub(1, 24))
    assert.are.equal("404 No such file or directory", body("GET", "/readfile/lib/none"))
  end))

  -- proves: msys.runInPool, msys.threadpool.stat
  it("writes files in a pool, and completes on the loop", timed(function()
    for _, line in ipairs { "one", "two" } do assert.are.equal(200, server:request("POST", "/log", { body = line }).status) end
    support.eventually(function()
      local text = body("GET", "/log")
      return text == "200 2 true 8 LUA_TXT_LOGS true", text
    end)
    local _, mode = support.shell('umask; stat -c %a "$1"', dir .. "/msys/requests.log")
    assert.is_truthy(mode:match("^0022\n644\n$") or not mode:match("^0022\n"), mode)
  end))

  -- proves: msys.registerAuth, msys.authHandler
  it("has auth schemes", timed(function()
    local function ask(field, target)
      local r = server:request("GET", target or "/private", { headers = field and { "Authorization: " .. field } })
      return r.status, r.status == 200 and r.body or r.headers["www-authenticate"]
    end
    local challenge = 'Basic realm="The \\"staff\\"", charset="UTF-8"'
    assert.are.same({ 200, "hello root of users.txt, staff" }, { ask("Basic cm9vdDpsZXRtZWlu") }) -- root:letmein
    assert.are.same({ 200, "hello root of users.txt, staff" }, { ask("bAsIc  cm9vdDpsZXRtZWlu ") })
    for _, field in ipairs {
      "Basic cm9vdDpsZXRtZWlO", "Basic cm9vdA==", "Basic cm9vdDpsZXRtZWlu=", "Basic cm9vdDpsZXRtZWl", "Basic", "Basic !",
      "Digest cm9vdDpsZXRtZWlu", "Basic cm9vdDpsZXRtZWlu x", "Basic " .. ("QUFB"):rep(2100), "Basic AHJvb3Q6bGV0bWVpbg==",
    } do
      assert.are.same({ 401, challenge }, { ask(field) }, field)
    end
    assert.are.same({ 401, challenge }, { ask(nil) })
    assert.are.same({ 500 }, { ask("Basic ZXJyb3I6eA==") }) -- error:x
    server:logs("auth scheme 'myscheme' failed: EC_AUTH_ERROR")
    assert.are.same({ 500 }, { ask("Basic b2RkOng=") }) -- odd:x
    assert.are.same({ 500 }, { ask("Basic cm9vdDpsZXRtZWlu", "/nobody") })
    server:logs("there is no auth scheme 'none'")
  end))

  it("is told of its end", timed(function()
    server.child:kill(15)
    assert.are.equal(0, (select(2, server.ended:wait())))
    local file = assert(io.open(dir .. "/msys/ended"))
    assert.are.equal("ended\n", file:read("*a"))
    file:close()
    local _, mode = support.shell('stat -c %a "$1"', dir .. "/msys/ended")
    assert.are.equal("600\n", mode)
  end))
end)

describe("a module of the manual's", function()
  local function load_error(text)
    local dir = support.folder({ ["a.lua"] = text })
    local server, log = support.start(dir)
    if server then server:stop() end
    support.remove(dir)
    return server == nil and log
  end

  -- proves: msys.registerModule
  it("must have begun well", timed(function()
    for what, result in pairs { init = "", rsrc_setup = "return 1" } do
      local log = load_error('require "msys.core"\nlocal mod = {}\nmsys.registerModule("m", mod)\nfunction mod:' .. what .. "() " ..
        result .. " end")
      assert.is_truthy(log:find("module 'm': " .. what .. " has failed: it must return true", 1, true), log)
    end
    local log = load_error('require "msys.core"\nmsys.registerModule("m", { init = function() error("no") end })')
    assert.is_truthy(log:find("a.lua:2: no", 1, true), log)
    log = load_error('require "msys.core"\nmsys.registerModule("m", {})\nmsys.registerModule("m", {})')
    assert.is_truthy(log:find("a.lua:3: the module 'm' is registered already", 1, true), log)
    log = load_error('require "msys.core"\nmsys.registerModule("m", { init = 1 })')
    assert.is_truthy(log:find("a.lua:2: bad argument #2 to 'registerModule' (init: function expected)", 1, true), log)
  end))

  it("has its mistakes told at their line", timed(function()
    local log = load_error('require "msys.core"\nlocal x = 1 |\n\n  2 != 3\nlocal y = 1 | nil\n')
    assert.is_truthy(log:find("a.lua:5: attempt to perform a bitwise operation on a nil value", 1, true), log)
    log = load_error('require "msys.core"\n\nlocal x = 0989\n')
    assert.is_truthy(log:find("a.lua:3: malformed number near '0989'", 1, true), log)
  end))
end)

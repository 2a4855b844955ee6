-- What the server must withstand, as far as scripts and raw requests can provoke it.
local cjson = require "cjson"
local httpsrv = require "httpsrv"
local S = require "support.server"

local timed = S.timed

describe("threats", function()
  local server

  setup(function() server = assert(S.start("spec/handlers")) end)

  teardown(function()
    local status, killed, log = server:stop()
    assert.are.equal(0, status, tostring(killed) .. "\n" .. log:sub(-2000))
  end)

  before_each(function() server:mark() end)

  it("threat 13: a body that nobody reads is never taken for a request", timed(function()
    server:handler("ignores", 'sess:response_append("one")')
    server:handler("evil", 'kept.evil = true')
    local inner = "GET /run/evil HTTP/1.1\r\nHost: h\r\n\r\n"
    for _, method in ipairs({ "GET", "HEAD", "DELETE", "POST", "OPTIONS" }) do
      local c = server:connect()
      c:send(("%s /run/ignores HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n"):format(method, #inner), inner)
      assert.are.equal(200, c:response(method).status)
      c:request("GET", "/run/ignores")
      assert.are.equal("one", c:response().body)
      c:close()
      c = server:connect()
      c:send(method, " /run/ignores HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
      c:send(("%x\r\n%s\r\n0\r\n\r\n"):format(#inner, inner))
      assert.are.equal(200, c:response(method).status)
      c:request("GET", "/run/ignores")
      assert.are.equal("one", c:response().body)
      c:close()
    end
    -- Too much to drain: the connection ends.
    local c = server:connect()
    local writer = httpsrv.spawn(function()
      c:send(("GET /run/ignores HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n"):format(#inner * 10000), inner:rep(10000))
    end)
    local r = c:response()
    assert.are.same({ 200, "close" }, { r.status, r.headers.connection })
    assert.is_truthy(c:closed())
    writer:cancel()
    c:close()
    assert.is_nil(server:lua("return kept.evil"))
  end))

  it("threat 16: an unknown expectation is 417, and a refusal sends no 100", timed(function()
    server:handler("reads", "sess:response_append(sess:request_data_get_string())")
    local r = server:request("POST", "/run/reads", { headers = { "Expect: 200-ok" }, body = "x" })
    assert.are.equal(417, r.status)
    for target, status in pairs({ ["/nothing"] = 404, ["/get/x"] = 405, ["/small/reads"] = 413 }) do
      local c = server:connect()
      c:request("POST", target, { headers = { "Expect: 100-continue", "Content-Length: 100" } })
      assert.are.equal(target .. status, target .. c:response().status)
      c:close()
    end
    local c = server:connect()
    c:request("POST", "/run/reads", { headers = { "Expect: 100-CONTINUE", "Content-Length: 3" } })
    assert.are.equal(100, c:response().status)
    c:send("abc")
    assert.are.equal("abc", c:response().body)
    c:close()
  end))

  it("threat 28: paths that two could read two ways", timed(function()
    server:handler("path", "sess:response_append(sess:request_path_get())")
    for target, expected in pairs({
      ["/.."] = 400, ["/../run/path"] = 400, ["/run/../../x"] = 400, ["/%2e%2e/x"] = 400, ["/run/%2E./../../x"] = 400,
      ["/run/path/%00"] = 400, ["/run/path%00.txt"] = 400, ["/run/path/a%2Fb"] = 400, ["/run/path/a%5cb"] = 400,
      ["/run%2fpath"] = 400, ["/run/path/%2e%2e%2f%2e%2e%2fx"] = 400, ["/run/path/%"] = 400, ["/run/path/%4"] = 400,
      ["/run/path/%zz"] = 400, ["/run/path/\128"] = 400, ["run/path"] = 400, ["/run/path#x"] = 400, ["/run/path\\x"] = 400,
      ["/run/path/%252e%252e/x"] = "/run/path/%2e%2e/x",
      ["/run/path/..;/x"] = 400,
      ["/run/path/..."] = "/run/path/...",
      ["/run//path/.//x/../y/"] = "/run/path/y/",
      ["/slashes/path/a%2Fb%5Cc"] = "/slashes/path/a%2Fb%5Cc",
      ["/slashes/path/a%2F..%2F..%2Fb"] = 400,
      ["/runx/path"] = 404,
    }) do
      local c = server:connect()
      c:request("GET", target)
      local r = assert(c:response(), target)
      assert.are.equal(target .. " " .. expected, target .. " " .. (type(expected) == "number" and r.status or r.body))
      c:close()
    end
  end))

  it("threat 28: overlong encodings stay bytes", timed(function()
    server:handler("path", "sess:response_append(sess:request_path_get())")
    local r = server:request("GET", "/run/path/%c0%ae%c0%ae/%e0%80%af")
    if r.status ~= 400 then
      assert.are.same({ 200, "/run/path/\192\174\192\174/\224\128\175" }, { r.status, r.body })
    end
  end))

  it("threat 29: directories and what is not there, opened by a script", timed(function()
    local dir = S.folder({ file = "text" })
    S.shell('ln -s /nowhere "$1/dangling"; ln -s loop "$1/loop"', dir)
    local result = server:lua(([[
      local dir = %q
      local function code(name, mode)
        local io, msg, code = httpsrv.io.open(name, mode)
        if io then
          local text
          text, msg, code = io:read(1)
          io:close()
        end
        return code or "opened"
      end
      return { code(dir, "r"), code(dir, "w"), code(dir .. "/none"), code(dir .. "/file/x"), code(dir .. "/dangling"),
        code(dir .. "/loop"), code(dir .. "/file"), code(("x"):rep(5000)), code("") }
    ]]):format(dir))
    assert.are.same({ "EISDIR", "EISDIR", "ENOENT", "ENOTDIR", "ENOENT", "ELOOP", "opened", "ENAMETOOLONG", "EISDIR" }, result)
    assert.is_false(server:lua(([[return (pcall(httpsrv.io.open, %q .. "\0x"))]]):format(dir .. "/file")))
    S.remove(dir)
  end))

  describe("from scripts", function()
    local BAD = { "a\r\nX-Injected: yes", "a\rb", "a\nb", "a\0b", "\1", "a\127b", "a\27[31m" }

    -- The call has to be an error of Lua, and the response without a trace of it.
    local function refused(call)
      for i, value in ipairs(BAD) do
        local r = server:get(("local bad = %q\nlocal ok, err = pcall(function() %s end)\n"):format(value, call)
          .. 'sess:response_json { ok, tostring(err) }')
        assert.are.equal(200, r.status, r.body .. call)
        local result = cjson.decode(r.body)
        assert.is_false(result[1], call .. " took bad value " .. i)
        assert.is_truthy(result[2]:find("bad argument #%d to '"), result[2])
        assert.is_nil(r.headers["x-injected"])
        for _, line in ipairs(r.lines) do assert.is_nil(line:find("[%c]", 1) ~= #line or nil, line) end
        -- Left to itself it is a 500.
        r = server:get(("local bad = %q\n%s"):format(value, call))
        assert.are.equal(500, r.status)
        assert.is_nil(r.headers["x-injected"])
      end
    end

    it("threat 32: controls in values", timed(function()
      refused('sess:response_header_set("X-Test", bad)')
      refused('sess:response_header_add("X-Test", bad)')
    end))

    it("threat 32: controls in names", timed(function()
      refused('sess:response_header_set(bad, "value")')
      refused('sess:response_header_add("X-" .. bad, "value")')
      for _, name in ipairs({ "", "a b", "a:b", "a ", " a", "\195\188", "(a)", "a,b", "a/b" }) do
        local result = server:lua(("return { (pcall(sess.response_header_set, sess, %q, 'x')) }"):format(name))
        assert.is_false(result[1], name)
      end
    end))

    it("threat 32: controls in reasons", timed(function()
      refused("sess:response_status_set(200, bad)")
      refused('sess:response_status_set_std(404, bad, "text/plain")')
    end))

    it("threat 32: controls in media types", timed(function()
      refused('sess:response_status_set_std(200, "OK", bad)')
      refused("sess:response_status_ok(bad)")
      refused("sess:response_status_not_found('text/' .. bad)")
    end))

    it("threat 32: controls in redirects", timed(function()
      refused("sess:redirect(bad)")
      refused('sess:redirect("/x?" .. bad, 301)')
      local r = server:get('sess:redirect("/elsewhere?a=b", 307)')
      assert.are.same({ 307, "/elsewhere?a=b" }, { r.status, r.headers.location })
    end))

    it("threat 32: log lines show what they quote", timed(function()
      server:get('httpsrv.log("notice", "forged\\n2026-01-01T00:00:00.000Z error entry \\27[31m\\0end") print("two\\rlines\\0three")')
      server:logs("three")
      local log = server:logs("end")
      assert.is_nil(log:find("\27", 1, true))
      assert.is_nil(log:find("\0", 1, true))
      assert.is_nil(log:find("\r", 1, true))
      assert.is_nil(log:find("\n2026-01-01T00:00:00.000Z", 1, true))
      server:get('error("raised\\n2026-01-01T00:00:00.000Z error forged")')
      log = server:logs("raised")
      assert.is_nil(log:find("\n2026-01-01T00:00:00.000Z", 1, true))
    end))
  end)

  describe("errors in scripts", function()
    local ERRORS = {
      { 'error("a message")', "a message" },
      { 'error("no place", 0)', "no place" },
      { "error()", "nil" },
      { "error(nil)", "nil" },
      { "error({})", "table" },
      { "error(5)", "5" },
      { "error(false)", "boolean" },
      { "error(print)", "function" },
      { "error(coroutine.create(print))", "thread" },
      { "error(newproxy())", "userdata" },
      { 'error(setmetatable({}, { __tostring = function() return "told" end }))', "told" },
      { 'error(setmetatable({}, { __tostring = function() error("in turn") end }))', "table" },
      { "error(setmetatable({}, { __tostring = function() return {} end }))", "table" },
      { 'error(setmetatable({}, { __tostring = function() httpsrv.sleep(0.01) return "x" end }))', "table" },
      { "error(setmetatable({}, { __tostring = function(t) error(t) end }))", "table" },
      { "local t = nil; t.x = 1", "index" },
      { "local function f() return 1 + f() end f()", "stack overflow" },
      { 'error(("x"):rep(10000000))', "xxx" },
      { "return ('xx'):rep(2^31 - 1)", "not enough memory" },
      { 'error("a\\0b\\0")', "a^@b^@" },
      { "httpsrv.sleep('soon')", "bad argument" },
      { "sess.response_append()", "bad argument" },
      { "httpsrv.sleep(0.001) error('after a wait')", "after a wait" },
      { "coroutine.wrap(function() httpsrv.sleep(0.001) error('in a coroutine') end)()", "in a coroutine" },
    }

    local function each(fn)
      for _, e in ipairs(ERRORS) do fn(e[1], e[2]) end
    end

    it("threat 33: of any type in a handler are a 500 with an id that the log repeats with the traceback", timed(function()
      server:nothing_left(function()
        each(function(code, text)
          server:mark()
          local r = server:get("sess:response_append('half an answer') sess:response_header_set('X-Half', 'yes')\n" .. code)
          assert.are.equal(500, r.status, code)
          assert.is_nil(r.headers["x-half"])
          local id = r.body:match("^Internal Server Error %(id (%x+)%)\n$")
          assert.is_truthy(id, r.body)
          local log = server:logs("error id " .. id)
          assert.is_truthy(log:find(text, 1, true), code .. ": " .. log:sub(1, 1000))
          server:logs("stack traceback:")
        end)
      end)
    end, 60))

    it("threat 33: after the head break the response off", timed(function()
      server:nothing_left(function()
        each(function(code, text)
          server:mark()
          local r = server:get("sess:response_append('part') sess:response_flush()\n" .. code)
          assert.are.equal(200, r.status)
          assert.is_truthy(r.broken, code)
          server:logs("stack traceback:")
          assert.is_truthy(server:log():find(text, 1, true), code)
        end)
      end)
    end, 60))

    it("threat 33: in a generator, before its first bytes and after", timed(function()
      server:nothing_left(function()
        each(function(code, text)
          server:mark()
          local r = server:get("sess:response_io(httpsrv.io.generator(function(write) write('begun') httpsrv.sleep(0.002)\n"
            .. code .. "\nend))")
          assert.are.same({ 200, "begun" }, { r.status, r.body })
          assert.is_truthy(r.broken, code)
          assert.is_truthy(server:logs("stack traceback:"):find(text, 1, true), code)
        end)
        local r = server:get("sess:response_io(httpsrv.io.generator(function(write) error({}) end))")
        assert.are.equal(500, r.status)
      end)
    end, 60))

    it("threat 33: in timers, tasks and detached tasks are logged", timed(function()
      server:nothing_left(function()
        each(function(code, text)
          for _, start in ipairs({ "httpsrv.timer.after(0, fn)", "httpsrv.spawn(fn)", "httpsrv.spawn_detached(fn)" }) do
            server:mark()
            local r = server:get("local function fn()\n" .. code .. "\nend " .. start
              .. " httpsrv.sleep(0.02) sess:response_append('fine')")
            assert.are.equal("fine", r.body)
            assert.is_truthy(server:logs("stack traceback:"):find(text, 1, true), start .. code .. server:log():sub(1, 1000))
          end
        end)
      end)
    end, 60))

    it("threat 33: in a timer do not end an every", timed(function()
      server:lua([[
        kept.runs = 0
        kept.every = httpsrv.timer.every(0.01, function() kept.runs = kept.runs + 1 error({}) end)
      ]])
      S.eventually(function() return server:lua("return kept.runs") >= 3 end)
      server:lua("kept.every:stop() kept.every = nil")
    end))

    it("threat 33: in a scheme's functions and in an io's close", timed(function()
      server:lua([[
        httpsrv.io.define { scheme = "fails", open = function(name) return name end,
          read = function(state) if state == "fails://read" then error(setmetatable({}, { __tostring = function() error({}) end })) end end,
          close = function() error({}) end }
      ]])
      server:nothing_left(function()
        assert.are.equal(500, server:get('sess:response_io(httpsrv.io.open("fails://read"))').status)
        assert.are.equal(200, server:get('sess:response_io(httpsrv.io.open("fails://close"))').status)
        assert.are.equal(200, server:get('httpsrv.io.open("fails://x"):close() httpsrv.io.open("fails://y")').status)
      end)
    end))

    it("threat 33: in __gc harm nobody", timed(function()
      server:nothing_left(function()
        for _ = 1, 5 do
          server:get("local p = newproxy(true) getmetatable(p).__gc = function() error({}) end p = nil collectgarbage()")
        end
      end)
      assert.are.equal(3, server:lua("return 3"))
    end))

    it("threat 33: while loading end the start with the place, whatever their type", timed(function()
      for code, text in pairs({
        ['error("does not load")'] = "bad.lua:2: does not load",
        ["error()"] = "nil",
        ["error({})"] = "table",
        ["error(setmetatable({}, { __tostring = function() error(1) end }))"] = "table",
        ["local x = = 1"] = "bad.lua:2:",
        ['require("httpsrv").sleep(0.01) error("after a wait")'] = "bad.lua:2: after a wait",
        ['require "not.there"'] = "module 'not.there' not found",
      }) do
        local s, log = S.start({ ["bad.lua"] = "\n" .. code })
        if s then s:stop() end
        assert.is_nil(s, code)
        assert.is_truthy(log:find(text, 1, true), code .. ": " .. log)
        assert.is_truthy(log:find("bad.lua", 1, true), log)
      end
    end))
  end)

  it("threat 37: bytecode is refused everywhere", timed(function()
    local bytecode = string.dump(assert(loadstring("return 1")))
    local dir = S.folder({ ["bytes.lua"] = bytecode, ["source.lua"] = "return 1" })
    local status, out = S.run("lua", dir .. "/bytes.lua")
    assert.are_not.equal(0, status)
    assert.is_truthy(out:find("bytecode") or out:find("mode"), out)
    status, out = S.run("check", dir .. "/bytes.lua")
    assert.are_not.equal(0, status)
    assert.is_truthy(out:find("bytes.lua", 1, true), out)
    for _, what in ipairs({ dir, dir .. "/bytes.lua" }) do
      local s, log = S.start(what)
      if s then s:stop() end
      assert.is_nil(s)
      assert.is_truthy(log:find("bytes.lua", 1, true), log)
    end
    local result = server:lua(([[
      local dir = %q
      package.path = dir .. "/?.lua;" .. package.path
      local bytecode = string.dump(assert(loadstring("return 1")))
      local half = { bytecode:sub(1, 5), bytecode:sub(6) }
      return {
        (pcall(dofile, dir .. "/bytes.lua")), (pcall(require, "bytes")), loadfile(dir .. "/bytes.lua") == nil,
        loadstring(bytecode) == nil, load(bytecode) == nil, load(function() return table.remove(half, 1) end) == nil,
        load(bytecode, "x", "t") == nil, dofile(dir .. "/source.lua") == 1,
      }
    ]]):format(dir))
    assert.are.same({ false, false, true, true, true, true, true, true }, result)
    S.remove(dir)
  end))
end)

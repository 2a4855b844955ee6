-- Every method of a session, from inside a handler.
local httpsrv = require "httpsrv"
local spec = require "support.server"
local cjson = require "cjson"

local timed = spec.timed

describe("session", function()
  local server

  setup(function() server = assert(spec.start("spec/handlers")) end)
  teardown(function()
    local status, killed = server:stop()
    assert.are.same({ 0 }, { status, killed })
  end)

  -- What a handler's code returns as JSON, for a request of its own.
  local function ask(code, options)
    local r = server:get("local function results() " .. code .. " end sess:response_json({ results() })", options)
    assert.are.equal(200, r.status, r.body)
    return unpack(cjson.decode(r.body))
  end

  -- The error that a handler's code raises, with its place.
  local function raised(code)
    return ask(("local _, e = pcall(function()\n%s\nend) return tostring(e)"):format(code))
  end

  describe("request", function()
    -- proves: session:request_method_get, session:request_protocol_get, session:request_path_get, session:path_rest
    it("method, protocol, path", timed(function()
      local code = "return sess:request_method_get(), sess:request_protocol_get()"
      assert.are.same({ "PATCH", "HTTP/1.1" }, { ask(code, { method = "PATCH" }) })
      assert.are.equal("HTTP/1.0", ask("return sess:request_protocol_get()", { version = "1.0" }))
      assert.is_truthy(ask("return sess:request_path_get()", { rest = "/a/../b%20c?x" }):match("^/run/unnamed%d+/b c$"))
      assert.is_truthy(ask("return sess:path_rest()", { rest = "/a/b/" }):match("^unnamed%d+/a/b/$"))
      assert.are.equal(cjson.null, ask("return sess:request_username_get() or httpsrv.null"))
      assert.are.equal(cjson.null, ask("return sess:request_subject_cn_get() or httpsrv.null"))
    end))

    -- proves: session:request_username_get, session:request_subject_cn_get
    it("nobody in particular asks, where nothing says who", timed(function()
      server:handler("who", [[
        kept.who = sess
        sess:response_json({ select("#", sess:request_username_get()), tostring(sess:request_username_get()),
          select("#", sess:request_subject_cn_get()), tostring(sess:request_subject_cn_get()) })]])
      assert.are.same({ 1, "nil", 1, "nil" }, cjson.decode(server:request("GET", "/run/who").body))
      for _, name in ipairs { "request_username_get", "request_subject_cn_get" } do
        assert.are.equal("EBADF", ask(("return (select(3, kept.who:%s()))"):format(name)))
      end
    end))

    -- proves: session:request_url_get
    it("url", timed(function()
      local u = ask("return sess:request_url_get()", { rest = "/p%20q?a=1&b=x%20y&a=2&c=p+q" })
      assert.is_truthy(u.url:match("^/run/unnamed%d+/p%%20q%?a=1&b=x%%20y&a=2&c=p%+q$"))
      assert.is_truthy(u.path:match("/p q$"))
      assert.are.equal("example.test", u.host)
      assert.are.equal("a=1&b=x%20y&a=2&c=p+q", u.raw_query)
      assert.are.equal("a=1&b=x y&a=2&c=p q", u.query)
      assert.are.same({ a = "2", b = "x y", c = "p q" }, u.attrs)
      u = ask("return sess:request_url_get()")
      assert.is_nil(u.attrs)
      assert.is_nil(u.query)
    end))

    -- proves: session:request_args
    it("args are lists, in the order sent", timed(function()
      assert.are.same({ a = { "1", "3" }, b = { "x y" }, ["k k"] = { "" }, flag = { "" }, e = { "a=b" } },
        ask("return sess:request_args()", { rest = "?a=1&b=x+y&a=3&k%20k=&flag&&e=a=b" }))
      assert.are.same({ a = { "%zz" } }, ask("return sess:request_args()", { rest = "?a=%zz" }))
      assert.are.same({}, ask("return sess:request_args()"))
    end))

    it("header fields", timed(function()
      local options = { headers = {
        "X-One: 1", "x-many: a", "X-MANY: b", "Cookie: a=1", "cookie: b=2", "X-Empty:", "Content-Type: Text/HTML; Charset=utf-8",
      } }
      assert.are.same({ "1", "1", "a, b", "a=1; b=2", "", cjson.null }, { ask([[
        local function get(name) return sess:request_header_get(name) or httpsrv.null end
        return get("X-One"), get("x-oNE"), get("X-Many"), get("Cookie"), get("X-Empty"), get("X-None")]], options) })
      local all = ask("local h = sess:request_headers() h.indexed = h['X-MANY'] return h", options)
      assert.are.same({ "1", "a, b", "a=1; b=2", "", "a, b", "example.test" },
        { all["x-one"], all["x-many"], all.cookie, all["x-empty"], all.indexed, all.host })
      assert.are.same({ "text/html", "utf-8" }, { ask("return sess:request_content_type_get()", options) })
      assert.are.equal("number", ask("return type(tonumber(sess:request_header_get('X-One')))", options))
      assert.are.equal(1, ask("return select('#', sess:request_content_type_get())"))
    end))

    -- proves: session:request_peer_address, session:request_local_address
    it("addresses", timed(function()
      assert.are.same({ family = "unix" }, ask("return sess:request_peer_address()"))
      assert.are.same({ family = "unix", path = server.socket }, ask("return sess:request_local_address()"))
      server:handler("address", "sess:response_json({ sess:request_peer_address(), sess:request_local_address() })")
      local c = server:connect({ tcp = true })
      c:request("GET", "/run/address")
      local peer, own = unpack(cjson.decode(c:response().body))
      c:close()
      assert.are.same({ "inet", "127.0.0.1", "inet", "127.0.0.1" }, { peer.family, peer.ip, own.family, own.ip })
      assert.are.equal(tonumber(server.tcp:match(":(%d+)$")), own.port)
      assert.is_true(peer.port > 0 and peer.port ~= own.port)
    end))

    -- proves: session:client_address
    it("the client's address, which is the peer's where no proxy is trusted", timed(function()
      assert.are.same({ family = "unix" }, ask("return sess:client_address()", { headers = { "X-Forwarded-For: 192.0.2.1" } }))
    end))

    -- proves: session:request_id
    it("an id of its own, the same at each call", timed(function()
      local one, again = ask("return sess:request_id(), sess:request_id()", { headers = { "X-Request-Id: made-up" } })
      assert.are.equal(one, again)
      assert.is_truthy(one:match("^" .. ("[0-9a-f]"):rep(32) .. "$"))
      assert.are_not.equal(one, (ask("return sess:request_id()")))
    end))

    -- proves: session:request_data_get_string
    it("the body as a string, again and again", timed(function()
      local code = "return sess:request_data_get_string(), sess:request_data_get_string()"
      assert.are.same({ "text", "text" }, { ask(code, { method = "POST", body = "text" }) })
      assert.are.same({ "", "" }, { ask(code) })
    end))

    -- proves: session:request_data_get_json
    it("the body as JSON", timed(function()
      assert.are.same({ a = { 1, cjson.null } }, ask("return sess:request_data_get_json()", { method = "POST", body = '{"a":[1,null]}' }))
      local value, msg, code = ask("local v, m, c = sess:request_data_get_json() return v or httpsrv.null, m, c",
        { method = "POST", body = '{"a":}' })
      assert.are.same({ cjson.null, "EINVAL" }, { value, code })
      assert.is_truthy(msg:match(" at byte 6$"), msg)
    end))

    -- proves: session:request_data_get
    it("the body as an io, whose readers share one position", timed(function()
      assert.are.same({ "abc", "def", "" }, { ask([[
        local one, two = sess:request_data_get(), sess:request_data_get()
        return one:read(3), two:read(3), one:read("*a")]], { method = "POST", body = "abcdef" }) })
      assert.are.same({ "a", "EALREADY" }, { ask("return sess:request_data_get():read(1), (select(3, sess:request_data_get_string()))",
        { method = "POST", body = "abcdef" }) })
    end))

    -- proves: session:request_data_spool
    it("the body spooled can be read again", timed(function()
      assert.are.same({ true, "abcdef", "def", 6, "abcdef" }, { ask([[
        local ok = sess:request_data_spool()
        local one, two = sess:request_data_get(), sess:request_data_get()
        two:seek("set", 3)
        return ok, one:read("*a"), two:read("*a"), one:size(), sess:request_data_get_string()]], { method = "POST", body = "abcdef" }) })
    end))

    it("waits for a body that comes late", timed(function()
      server:handler("late", "sess:response_append(sess:request_data_get_string() .. sess:request_header_get('X-A'))")
      local c = server:connect()
      c:send("POST /run/late HTTP/1.1\r\nHost: a\r\nX-A: !\r\nContent-Length: 6\r\n\r\nabc")
      assert.is_true(c:silent(0.02))
      c:send("def")
      assert.are.equal("abcdef!", c:response().body)
      c:close()
    end))

    -- proves: session:request_trailers
    it("trailers", timed(function()
      local chunked = { headers = { "Transfer-Encoding: chunked" } }
      server:handler("trailers", [[
        local io = sess:request_path_get():match("io$") and sess:request_data_get()
        if io then io:read("*a") end
        local t = sess:request_trailers()
        sess:response_json({ t, t["X-SUM"], sess:request_headers()["x-sum"] or httpsrv.null })]])
      for _, target in ipairs { "/run/trailers", "/run/trailers/io" } do
        local c = server:connect()
        c:request("POST", target, chunked)
        c:send("3\r\nabc\r\n0\r\nX-Sum: 1\r\nx-other: a\r\nX-Other: b\r\n\r\n")
        assert.are.same({ { ["x-sum"] = "1", ["x-other"] = "a, b" }, "1", cjson.null }, cjson.decode(c:response().body))
        c:close()
      end
      assert.are.same({}, ask("return sess:request_trailers()"))
    end))
  end)

  describe("response", function()
    -- proves: session:response_status_set, session:response_status_set_std, session:response_status_ok
    -- proves: session:response_status_denied, session:response_status_not_found, session:response_status_error
    it("status", timed(function()
      local r = server:get("return sess:response_status_set(418)")
      assert.are.same({ 418, "" }, { r.status, r.body })
      r = server:get('sess:response_status_set(200, "Fine indeed")')
      assert.are.same({ 200, "Fine indeed", "" }, { r.status, r.reason, r.body })
      r = server:get('sess:response_status_set_std(404, "Nothing here", "text/html")')
      assert.are.same({ 404, "Nothing here", "Nothing here", "text/html" }, { r.status, r.reason, r.body, r.headers["content-type"] })
      r = server:get('sess:response_status_set_std(200, "OK", "image/png")')
      assert.are.equal("", r.body)
      for name, status in pairs { ok = 200, denied = 403, not_found = 404, error = 500 } do
        r = server:get(('assert(sess:response_status_%s("text/x"))'):format(name))
        assert.are.same({ status, "text/x" }, { r.status, r.headers["content-type"] })
      end
    end))

    it("header fields", timed(function()
      local r = server:get([[
        assert(sess:response_header_set("X-A", "1")) assert(sess:response_header_set("x-a", 2))
        sess:response_header_add("Set-Cookie", "a=1") sess:response_header_add("Set-Cookie", "b=2")
        sess:response_header_set("X-B", "gone") sess:response_header_set("x-b", nil)
        sess:response_header_set("X-Empty", "")]])
      assert.are.same({ "2", "a=1, b=2", "" }, { r.headers["x-a"], r.headers["set-cookie"], r.headers["x-empty"] })
      assert.is_nil(r.headers["x-b"])
    end))

    -- proves: session:response_append, session:response_printf, session:response_string, session:response_json
    it("append, printf, string, json", timed(function()
      local r = server:get('sess:response_append("a") sess:response_append(1) sess:response_printf("%s %.2f%%", "b", 2.5)')
      assert.are.equal("a1b 2.50%", r.body)
      r = server:get('sess:response_append("lost") sess:response_string("kept")')
      assert.are.same({ "kept", "text/plain" }, { r.body, r.headers["content-type"] })
      r = server:get("sess:response_json({ a = httpsrv.empty_array })")
      assert.are.same({ '{"a":[]}', "application/json" }, { r.body, r.headers["content-type"] })
      r = server:get('sess:response_status_set_std(200, "OK", "application/x") sess:response_json("text")')
      assert.are.same({ '"text"', "application/x" }, { r.body, r.headers["content-type"] })
      assert.are.equal("a\0b\r\n", server:get([[sess:response_append("a\0b\r\n")]]).body)
    end))

    -- proves: session:response_io
    it("io, streamed and immediate", timed(function()
      assert.are.equal("<memory>", server:get([[
        sess:response_append("<") assert(sess:response_io(httpsrv.io.memory("memory")) == true) sess:response_append(">")]]).body)
      -- Ruling 16: the number 0 counts as false.
      assert.are.equal("EBUSY", server:get([[
        local m = httpsrv.io.memory("x") sess:response_io(m, 0) sess:response_append((select(3, m:read(1))))]]).body:sub(2))
      local r = server:get([[
        local r, w = httpsrv.io.pipe()
        httpsrv.spawn(function() for i = 1, 3 do httpsrv.sleep(0.005) w:write(i) end w:close() end)
        assert(sess:response_io(r, true) == true)
        sess:response_append("|" .. tostring(r:read(1)))]])
      assert.are.equal("123|nil", r.body)
      assert.are.equal("6", r.headers["content-length"] and "6")
      assert.are.same({ "rest of it", 200 }, (function()
        local x = server:get('local m = httpsrv.io.memory("first\\nrest of it") m:read() sess:response_io(m)')
        return { x.body, x.status }
      end)())
    end))

    -- proves: session:response_flush
    it("flush sends, and waits", timed(function()
      server:handler("flush", [[
        sess:response_append("one") assert(sess:response_flush() == true) httpsrv.sleep(0.02)
        sess:response_append("two") sess:response_flush(true)
        kept.late = { sess:response_append("three") }]])
      local c = server:connect()
      c:request("GET", "/run/flush")
      c:head()
      assert.are.equal("one", c:chunk())
      assert.are.equal("two", c:chunk())
      assert.is_nil(c:chunk())
      c:close()
      assert.are.equal("EBADF", server:kept("late and kept.late[3]"))
    end))

    it("redirect", timed(function()
      local r = server:get('sess:redirect("/there?x")')
      assert.are.same({ 302, "/there?x", "" }, { r.status, r.headers.location, r.body })
      assert.are.equal(308, server:get('sess:redirect("/there", 308)').status)
      for _, bad in ipairs { '"/a", 200', '"/a\\r\\nb"', '"/a b"', "nil", '"/a", "x"' } do
        assert.is_truthy(raised("sess:redirect(" .. bad .. ")"):find("to 'redirect'", 1, true), bad)
      end
    end))
  end)

  describe("wrong arguments", function()
    it("raise errors that name the argument, at the script's line", timed(function()
      for code, message in pairs {
        ["sess:response_append(nil)"] = "bad argument #1 to 'response_append' (string expected, got nil)",
        ["sess:response_append({})"] = "bad argument #1 to 'response_append' (string expected, got table)",
        ["sess:response_status_set('x')"] = "bad argument #1 to 'response_status_set' (number expected, got string)",
        ["sess:response_status_set(99)"] = "bad argument #1 to 'response_status_set' (status from 200 to 599 expected)",
        ["sess:response_status_set_std(200, {})"] = "bad argument #2 to 'response_status_set_std' (string expected, got table)",
        ["sess:response_io('x')"] = "bad argument #1 to 'response_io' (io expected, got string)",
        ["sess:response_printf()"] = "bad argument #1 to 'response_printf' (string expected, got nil)",
        ["sess:request_header_get({})"] = "bad argument #1 to 'request_header_get' (string expected, got table)",
        ["sess.response_append('x', 'y')"] = "calling 'response_append' on bad self (session expected, got string)",
      } do
        local err = raised(code)
        assert.is_truthy(err:match("^unnamed%d+%.lua:2: ") and err:find(message, 1, true), code .. " -> " .. err)
      end
    end))

    it("threat 32: control characters never reach the wire", timed(function()
      for _, code in ipairs {
        'sess:response_header_set("X-A", "a\\r\\nb")', 'sess:response_header_set("X-A", "a\\nb")',
        'sess:response_header_set("X-A", "a\\0b")',
        'sess:response_header_set("X\\nA", "a")', 'sess:response_header_set("", "a")', 'sess:response_header_set("X A", nil)',
        'sess:response_header_add("X-A", "a\\rb")', 'sess:response_status_set(200, "a\\r\\nb")', 'sess:response_status_set(200, "a\\127")',
        'sess:response_status_set_std(200, "a", "b\\nc")', 'sess:response_status_ok("a\\nb")', 'sess:response_header_set("X\\0A", nil)',
      } do
        assert.is_truthy(raised(code):find("bad argument #", 1, true), code)
      end
    end))

    it("fields that are the server's are refused", timed(function()
      for _, field in ipairs {
        "Transfer-Encoding: chunked", "Connection: keep-alive", "Keep-Alive: 1", "Upgrade: x", "Content-Length: x",
      } do
        local name, value = field:match("^(.-): (.*)$")
        local err = raised(("sess:response_header_set(%q, %q)"):format(name, value))
        assert.is_truthy(err:find("to 'response_header_set'", 1, true), field .. " -> " .. err)
      end
    end))

    it("JSON cannot say", timed(function()
      assert.is_truthy(raised("sess:response_json(print)"):find("bad argument #1 to 'response_json'", 1, true))
    end))
  end)

  describe("its own", function()
    -- proves: session:ctx
    it("ctx is a table of the request's, and gone after it", timed(function()
      assert.are.same({ 1, cjson.null }, { ask([[
        sess:ctx().n = 1
        httpsrv.sleep(0)
        return sess:ctx().n, sess:ctx().other or httpsrv.null]]) })
      assert.are.equal(cjson.null, ask("return sess:ctx().n or httpsrv.null"))
    end))

    it("has no fields of the script's", timed(function()
      assert.is_truthy(raised("sess.field = 1"):find("use session:ctx()", 1, true))
      assert.is_truthy(ask("return tostring(sess)"):match("^session %d+ %(live%)$"))
      server:get("sess:response_append('x') sess:response_flush() kept.state = tostring(sess):match('%((.*)%)')")
      assert.are.equal("sending", server:kept("state"))
    end))

    it("leaves nothing", timed(function()
      server:nothing_left(function()
        for _ = 1, 20 do
          server:get([[
            sess:ctx().x = 1
            httpsrv.spawn(function() httpsrv.sleep(100) end)
            local r, w = httpsrv.io.pipe()
            w:write("x")
            sess:response_io(httpsrv.io.concat(httpsrv.io.memory("m"), httpsrv.io.generator(function(write) write("g") end)))
            httpsrv.sleep(0.001)]])
        end
      end)
    end))
  end)

  it("waits inside C functions raise before anything is done", timed(function()
    local err = raised("string.gsub('x', 'x', function() httpsrv.sleep(1) end)")
    assert.is_truthy(err:match("cannot wait inside string%.gsub$"), err)
    assert.is_true(httpsrv.async_ok())
  end))
end)

describe("register", function()
  -- What is said when a script does not load.
  local function refused(code)
    local status, text = spec.run("check", (spec.folder { ["a.lua"] = 'local httpsrv = require "httpsrv"\n' .. code }))
    assert.are_not.equal(0, status)
    return text
  end

  it("names what is wrong", timed(function()
    for code, message in pairs {
      ["httpsrv.register(1, '/', print)"] = "bad argument #1 to 'register'",
      ["httpsrv.register('GET', nil, print)"] = "bad argument #2 to 'register'",
      ["httpsrv.register('GET', '/')"] = "bad argument #3 to 'register' (function expected, got nil)",
      ["httpsrv.register('GET', '/', print, 1)"] = "bad argument #4 to 'register'",
      ["httpsrv.register('GET', '/', print, { max_bdoy = 1 })"] = "unknown option 'max_bdoy'",
      ["httpsrv.register('GET', '/', print, { max_body = -1 })"] = "option 'max_body'",
      ["httpsrv.register('GET', '/', print, { exact = 1 })"] = "option 'exact'",
      ["httpsrv.register('GET', '/', print, { on_abort = 'stop' })"] = "option 'on_abort'",
      ["httpsrv.register('GET', '/', print, { handler_timeout = 0 })"] = "option 'handler_timeout'",
      ["httpsrv.register('GET', '/', print, { pool = 'none' })"] = "option 'pool': name of a pool",
      ["httpsrv.register('GET', 'relative', print)"] = "path beginning with '/'",
      ["httpsrv.register('GE T', '/', print)"] = "method a token",
    } do
      local text = refused(code)
      assert.is_truthy(text:find("a.lua:2: ", 1, true) and text:find(message, 1, true), code .. " -> " .. text)
    end
  end))
end)

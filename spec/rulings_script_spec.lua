-- The rulings on bodies, users of a session, routes, shapes, schemes, and on scripts themselves.
local cjson = require "cjson"
local httpsrv = require "httpsrv"
local S = require "support.server"

local timed = S.timed

local ROUTES = [[
  local httpsrv = require "httpsrv"
  local function says(name)
    return function(sess) sess:response_append(name .. " [" .. sess:path_rest() .. "] " .. sess:request_path_get()) end
  end
  httpsrv.register(nil, "/", says "root")
  httpsrv.register(nil, "/foo/", says "foo")
  httpsrv.register("GET", "/foo", says "GET foo")
  httpsrv.register("GET", "/foo/bar", says "GET foo/bar")
  httpsrv.register("GET", "/only", says "exact", { exact = true })
  httpsrv.register("GET", "/foo", says "host foo", { host = "other.test" })
  httpsrv.register("GET", "/slashes", says "slashes", { encoded_slash = true })
  httpsrv.register("GET", "/encoded path", says "blank")
]]

describe("rulings", function()
  local server, routes

  setup(function()
    server = assert(S.start("spec/handlers"))
    routes = assert(S.start({ ["routes.lua"] = ROUTES }))
  end)

  teardown(function()
    for _, s in ipairs({ server, routes }) do
      local status, killed, log = s:stop()
      assert.are.equal(0, status, tostring(killed) .. "\n" .. log:sub(-2000))
    end
  end)

  before_each(function() server:mark() end)

  describe("request bodies", function()
    local function post(code, body, prefix)
      return server:get(code, { method = "POST", body = body, prefix = prefix })
    end

    it("ruling 10: the whole body can be had again, not after a partial streaming read", timed(function()
      local r = post([[
        local a, b = sess:request_data_get_string(), sess:request_data_get_string()
        sess:response_json { a, b, sess:request_data_get_json() }
      ]], "[1]")
      assert.are.same({ "[1]", "[1]", { 1 } }, cjson.decode(r.body))
      r = post([[
        local io = sess:request_data_get()
        local first = io:read(2)
        local codes = { first, (select(3, sess:request_data_get_string())), (select(3, sess:request_data_get_json())) }
        codes[4] = io:read("*a")
        sess:response_json(codes)
      ]], "abcdef")
      assert.are.same({ "ab", "EALREADY", "EALREADY", "cdef" }, cjson.decode(r.body))
    end))

    it("ruling 10: all ios of a body share one position", timed(function()
      local r = post([[
        local a, b = sess:request_data_get(), sess:request_data_get()
        local pieces = {}
        for piece in a:chunks(3) do pieces[#pieces + 1] = piece break end
        pieces[2] = b:read("*a")
        pieces[3] = a:read("*a")
        sess:response_json(pieces)
      ]], "abcdef")
      assert.are.same({ "abc", "def", "" }, cjson.decode(r.body))
    end))

    it("ruling 10: a spooled body can be sought, and every io has a position of its own", timed(function()
      local r = post([[
        assert(sess:request_data_spool())
        local io, other = sess:request_data_get(), sess:request_data_get()
        local results = { io:size(), io:seek("set", 1999990), io:read("*a"), other:read(4), io:seek("set", 0), io:read(2) }
        sess:response_json(results)
      ]], ("0123456789"):rep(200000))
      assert.are.equal(200, r.status, r.body .. server:log())
      assert.are.same({ 2000000, 1999990, "0123456789", "0123", 0, "01" }, cjson.decode(r.body))
      r = post([[
        local io = sess:request_data_get()
        local codes = { (select(3, io:seek("set", 0))), (select(3, io:size())), (select(3, io:clone())), (select(3, io:write("x"))),
          (select(3, sess:request_data_spool())) }
        codes[6] = io:read("*a")
        sess:response_json(codes)
      ]], "body")
      assert.are.same({ "ESPIPE", "EOPNOTSUPP", "EOPNOTSUPP", "EOPNOTSUPP", "EALREADY", "body" }, cjson.decode(r.body))
    end))

    it("ruling 10: max_body limits every way to read, false lifts it for streaming", timed(function()
      assert.are.equal("1234567890", post("sess:response_append(sess:request_data_get_string())", "1234567890", "/small/").body)
      local r = post("kept.entered = true", "12345678901", "/small/")
      assert.are.equal(413, r.status)
      -- Of unknown length, seen by whoever reads.
      server:handler("read", [[
        local text, msg, code = sess:request_data_get():read("*a")
        kept.result = { text == nil, code }
      ]])
      local c = server:connect()
      c:send("POST /small/read HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nB\r\n12345678901\r\n0\r\n\r\n")
      assert.are.equal(413, c:response().status)
      c:close()
      r = post([[
        local n = 0
        for piece in sess:request_data_get():chunks() do n = n + #piece end
        sess:response_append(n)
      ]], ("x"):rep(17 * 1024 * 1024), "/unlimited/")
      assert.are.equal(tostring(17 * 1024 * 1024), r.body)
    end))

    it("ruling 10: 100 Continue comes when the body is asked for", timed(function()
      server:handler("continue", [[
        kept.gate = httpsrv.event()
        kept.gate:wait()
        sess:response_append(sess:request_data_get_string())
      ]])
      local c = server:connect()
      c:request("POST", "/run/continue", { headers = { "Expect: 100-continue", "Content-Length: 4" } })
      assert.is_true(c:silent(0.1))
      server:lua("kept.gate:set()")
      assert.are.equal(100, c:response().status)
      c:send("body")
      assert.are.equal("body", c:response().body)
      -- A handler that does not ask gets none.
      server:handler("refuses", 'sess:response_status_set(403)')
      c = server:connect()
      c:request("POST", "/run/refuses", { headers = { "Expect: 100-continue", "Content-Length: 4" } })
      assert.are.equal(403, c:response().status)
      c:close()
    end))

    it("ruling 10: JSON of a body", timed(function()
      local r = post([[
        local value, msg, code = sess:request_data_get_json()
        sess:response_json { value == nil, msg, code }
      ]], '{"a": 1, b}')
      local result = cjson.decode(r.body)
      assert.are.same({ true, "EINVAL" }, { result[1], result[3] })
      assert.is_truthy(result[2]:find("at byte 10"), result[2])
    end))

    it("ruling 11: what is left of a short body is drained, and the connection kept", timed(function()
      server:handler("answers", 'sess:response_append("answer")')
      local c = server:connect()
      c:request("POST", "/run/answers", { body = ("x"):rep(60000) })
      assert.are.equal("answer", c:response().body)
      c:request("GET", "/run/answers")
      assert.are.equal("answer", c:response().body)
      c:close()
    end))

    it("ruling 11: an early answer to a long upload is seen, and then the connection closed", timed(function()
      server:handler("answers", 'sess:response_status_set(403) sess:response_append("no")')
      local c = server:connect({ tcp = true })
      local writer = httpsrv.spawn(function() return c:request("POST", "/run/answers", { body = ("x"):rep(8000000) }) end)
      local r = c:response()
      assert.are.same({ 403, "no", "close" }, { r.status, r.body, r.headers.connection })
      writer:cancel()
      c:close()
    end))
  end)

  describe("users of a session", function()
    it("ruling 13: several coroutines append in the order of their calls", timed(function()
      local r = server:get([[
        local tasks, order = {}, {}
        for i = 1, 5 do
          tasks[i] = httpsrv.spawn(function()
            for _ = 1, 20 do
              order[#order + 1] = i
              sess:response_append(i)
              httpsrv.sleep(0)
            end
          end)
        end
        for i = 1, 5 do assert(tasks[i]:wait()) end
        kept.order = table.concat(order)
      ]])
      assert.are.equal(100, #r.body)
      assert.are.equal(server:kept("order"), r.body)
    end))

    it("ruling 13: a second reader of the body gets EBUSY", timed(function()
      server:handler("readers", [[
        local one, two = sess:request_data_get(), sess:request_data_get()
        local task = httpsrv.spawn(function() return one:read("*a") end)
        httpsrv.sleep(0.02)
        local _, _, code = two:read(1)
        kept.result = code
        sess:response_append(select(2, task:wait()))
      ]])
      server:lua("kept.result = nil")
      local c = server:connect()
      c:request("POST", "/run/readers", { headers = { "Content-Length: 4" } })
      assert.are.equal("EBUSY", server:kept("result"))
      c:send("body")
      assert.are.equal("body", c:response().body)
      c:close()
    end))

    it("ruling 13: the response ends with the handler, or at finish after detach", timed(function()
      server:handler("detached", [[
        assert(sess:detach())
        kept.detached = sess
        sess:response_append("one ")
        httpsrv.spawn(function()
          httpsrv.sleep(0.02)
          sess:response_append("two ")
        end)
      ]])
      local c = server:connect()
      c:request("GET", "/run/detached")
      assert.is_true(c:silent(0.1))
      local result = server:lua([[
        kept.detached:response_append("three")
        local finished = kept.detached:finish()
        local _, msg, code = kept.detached:finish()
        return { finished, msg, code }
      ]])
      assert.are.same({ true, "session has finished", "EBADF" }, result)
      assert.are.equal("one two three", c:response().body)
      c:close()
      assert.are.same({ false, "EBADF" }, server:lua("local ok, _, code = sess:finish() return { ok ~= nil, code }"))
    end))

    it("ruling 13: the session's tasks are cancelled with it, detached ones are not", timed(function()
      server:lua("kept.own, kept.other = nil")
      server:nothing_left(function()
        server:get([[
          kept.gate = httpsrv.event()
          local gate = kept.gate
          httpsrv.spawn(function()
            local ok, err = pcall(gate.wait, gate)
            kept.own = not ok and err == cancelled and "cancelled" or "went on"
          end)
          httpsrv.spawn_detached(function()
            local ok, err = pcall(gate.wait, gate)
            kept.other = not ok and err == cancelled and "cancelled" or "went on"
          end)
          httpsrv.sleep(0.01)
        ]])
        assert.are.equal("cancelled", server:kept("own"))
        httpsrv.sleep(0.05)
        assert.is_nil(server:lua("return kept.other"))
        server:lua("kept.gate:set()")
        assert.are.equal("went on", server:kept("other"))
      end)
    end))

    it("ruling 13: an uncaught error of a task is logged", timed(function()
      server:get('httpsrv.spawn(function() error("of a task") end) httpsrv.sleep(0.02)')
      local log = server:logs("of a task")
      assert.is_truthy(log:find("traceback", 1, true))
      assert.are.equal("caught", server:get([[
        local ok, err = httpsrv.spawn(function() error("waited for") end):wait()
        sess:response_append(ok == false and err:find("waited for") and "caught" or "not caught")
      ]]).body)
      assert.is_nil(server:log():find("error.*waited for"))
    end))
  end)

  describe("routes", function()
    local function says(method, target, options) return routes:request(method, target, options).body end

    -- proves: httpsrv.register
    it("ruling 14: hosts, the longest path, a method before none", timed(function()
      assert.are.equal("GET foo [] /foo", says("GET", "/foo"))
      assert.are.equal("GET foo [] /foo/", says("GET", "/foo/"))
      assert.are.equal("GET foo [x/y] /foo/x/y", says("GET", "/foo/x/y"))
      assert.are.equal("foo [x] /foo/x", says("PUT", "/foo/x"))
      assert.are.equal("root [foobar] /foobar", says("GET", "/foobar"))
      assert.are.equal("GET foo/bar [] /foo/bar", says("GET", "/foo/bar"))
      assert.are.equal("root [only/x] /only/x", says("GET", "/only/x"))
      assert.are.equal("exact [] /only", says("GET", "/only"))
      assert.are.equal("host foo [x] /foo/x", says("GET", "/foo/x", { host = false, headers = { "Host: OTHER.test:80" } }))
    end))

    it("ruling 14: registering again, or outside loading, is an error", timed(function()
      local started, log = S.start({
        ["a.lua"] = 'local h = require "httpsrv"\nh.register("GET", "/x", print)\n',
        ["b.lua"] = 'local h = require "httpsrv"\n\nh.register("GET", "/x/", print)\n',
      })
      assert.is_nil(started)
      assert.is_truthy(log:find("a.lua:2", 1, true), log)
      assert.is_truthy(log:find("b.lua:3", 1, true), log)
      local r = server:get('httpsrv.register("GET", "/late", print)')
      assert.are.equal(500, r.status)
      assert.is_truthy(server:logs("while the scripts of a server are loaded"))
    end))

    it("ruling 15: one normalised path, the url raw", timed(function()
      for target, expected in pairs({
        ["/foo/./a"] = "GET foo [a] /foo/a",
        ["/foo/x/../a"] = "GET foo [a] /foo/a",
        ["/x/../foo"] = "GET foo [] /foo",
        ["//foo///a"] = "GET foo [a] /foo/a",
        ["/%66oo/%2e%2E/foo/a"] = "GET foo [a] /foo/a",
        ["/encoded%20path"] = "blank [] /encoded path",
        ["/foo/%252e"] = "GET foo [%2e] /foo/%2e",
        ["/foo/+"] = "GET foo [+] /foo/+",
        ["/foo/%C3%BC"] = "GET foo [\195\188] /foo/\195\188",
      }) do
        assert.are.equal(target .. " " .. expected, target .. " " .. says("GET", target))
      end
      server:handler("raw", "sess:response_append(sess:request_url_get().url)")
      assert.are.equal("/run/./raw/%2e/x?q=%41", server:request("GET", "/run/./raw/%2e/x?q=%41").body)
    end))

    it("ruling 15: queries as lists and as the last of equal keys", timed(function()
      local r = server:get([[
        local url = sess:request_url_get()
        sess:response_json { args = sess:request_args(), attrs = url.attrs, raw = url.raw_query, query = url.query, path = url.path }
      ]], { rest = "?a=1&b=x+y%2B&a=2&c=&d&%61=%33" })
      local result = cjson.decode(r.body)
      assert.are.same({ "1", "2", "3" }, result.args.a)
      assert.are.same({ "x y+" }, result.args.b)
      assert.are.same({ "" }, result.args.c)
      assert.are.equal("a=1&b=x+y%2B&a=2&c=&d&%61=%33", result.raw)
      r = server:get("sess:response_json(sess:request_url_get().attrs)", { rest = "?a=1&b=x+y&a=2" })
      assert.are.same({ a = "2", b = "x y" }, cjson.decode(r.body))
    end))
  end)

  describe("shapes", function()
    it("ruling 16: 0 is false for flags", timed(function()
      local r = server:get('sess:response_append("a") sess:response_flush(0) sess:response_append("b") sess:response_flush(1)'
        .. ' kept.result = select(3, sess:response_append("c"))')
      assert.are.equal("ab", r.body)
      assert.are.equal("EBADF", server:kept("result"))
      r = server:get([[
        local io = httpsrv.io.memory("x")
        sess:response_io(io, 0)
        kept.result = { (select(3, io:read(1))), (pcall(sess.response_flush, sess, "yes")) }
      ]])
      assert.are.equal("x", r.body)
      assert.are.equal("EBUSY", server:lua("return kept.result")[1])
    end))

    it("ruling 16: addresses", timed(function()
      local code = "sess:response_json { sess:request_peer_address(), sess:request_local_address() }"
      local tcp = cjson.decode(server:get(code, { tcp = true }).body)
      assert.are.same({ "inet", "127.0.0.1", "number" }, { tcp[1].family, tcp[1].ip, type(tcp[1].port) })
      assert.are.same({ family = "inet", ip = "127.0.0.1", port = tonumber(server.tcp:match("%d+$")) }, tcp[2])
      local unix = cjson.decode(server:get(code).body)
      assert.are.same({ family = "unix", path = server.socket }, unix[2])
      assert.are.equal("unix", unix[1].family)
    end))

    it("ruling 16: the url as a table", timed(function()
      server:handler("url", [[
        local u = sess:request_url_get()
        sess:response_json { u.path, u.raw_query, u.url, u.attrs == nil }
      ]])
      local result = cjson.decode(server:request("GET", "/run/url?plain").body)
      assert.are.same({ "/run/url", "plain", "/run/url?plain", true }, result)
    end))

    it("ruling 16: response_json of what JSON cannot say is an error", timed(function()
      assert.are.equal("[]", server:get("sess:response_json(httpsrv.empty_array)").body)
      assert.are.equal('{"a":null}', server:get("sess:response_json { a = httpsrv.null }").body)
      local r = server:get("sess:response_json { print }")
      assert.are.equal(500, r.status)
      assert.is_truthy(server:logs("bad argument #1 to 'response_json'"))
    end))
  end)

  describe("schemes and files", function()
    it("ruling 17: a scheme defined in Lua streams, and may wait", timed(function()
      local r = server:get([[
        local closed = httpsrv.event()
        assert(httpsrv.io.define {
          scheme = "count",
          open = function(name) httpsrv.sleep(0.01) return { left = tonumber(name:match("%d+")) } end,
          read = function(state, n)
            httpsrv.sleep(0.005)
            if state.left == 0 then return nil end
            state.left = state.left - 1
            return tostring(state.left)
          end,
          close = function(state) kept.closed = state.left closed:set() end,
        })
        local io = assert(httpsrv.io.open("count://3"))
        sess:response_append(io:read("*a") .. " ")
        io:close()
        sess:response_io(assert(httpsrv.io.open("count://10")))
      ]])
      assert.are.equal("210 9876543210", r.body)
      assert.are.equal(0, server:kept("closed"))
      assert.are.same({ "nil", "EEXIST" }, server:lua([[
        local ok, _, code = httpsrv.io.define { scheme = "count", open = print }
        return { tostring(ok), code }
      ]]))
    end))

    it("ruling 17: what a scheme's functions cannot do", timed(function()
      local result = server:lua([[
        httpsrv.io.define { scheme = "sink", open = function() return {} end, write = function(s, text)
          s.text = (s.text or "") .. text
          kept.sunk = s.text
          if text == "bad" then return nil, "it does not go down", "ENOSPC" end
          return true
        end }
        httpsrv.io.define { scheme = "broken", open = function() error("cannot open this") end }
        httpsrv.io.define { scheme = "no", open = function() return nil, "never", "EACCES" end }
        httpsrv.io.define { scheme = "raises", open = function() return 1 end, read = function() error("cannot read this") end }
        local sink = httpsrv.io.open("sink://x", "w")
        sink:write("a", "b", 3)
        sink:flush()
        local first = kept.sunk
        local function three(a, b, c) return { tostring(a), b, c } end
        local reading = three(httpsrv.io.open("sink://x"):read(1))
        local no = three(httpsrv.io.open("no://"))
        local broken = { pcall(httpsrv.io.open, "broken://") }
        local raises = { pcall(function() return httpsrv.io.open("raises://"):read("*a") end) }
        local unknown = three(httpsrv.io.open("unknown://x"))
        return { first, reading[3], no, broken[1], raises[1] == false or raises[2] == nil, unknown[1] }
      ]])
      assert.are.same({ "ab3", "EOPNOTSUPP", { "nil", "never", "EACCES" }, false, true, "nil" }, result)
    end))

    it("ruling 18: opening a FIFO waits for its other end, and others are answered meanwhile", timed(function()
      local dir = S.folder()
      S.shell('mkfifo "$1/fifo"', dir)
      server:handler("fifo", ('sess:response_io(assert(httpsrv.io.open(%q)))'):format(dir .. "/fifo"))
      server:nothing_left(function()
        local c = server:connect()
        c:request("GET", "/run/fifo")
        assert.is_true(c:silent(0.1))
        for i = 1, 20 do
          local begun = httpsrv.now()
          assert.are.equal(i, server:lua("return " .. i))
          assert.is_true(httpsrv.now() - begun < 1)
        end
        local writer = httpsrv.spawn(function()
          return S.shell('{ echo one; sleep 0.1; echo two; } >"$1/fifo"', dir)
        end)
        assert.are.equal("one\ntwo\n", c:response().body)
        writer:wait()
        c:close()
      end)
      S.remove(dir)
    end))

    it("ruling 18: a file is streamed while the loop answers others", timed(function()
      local dir = S.folder()
      S.shell('head -c 20000000 /dev/zero | tr "\\0" z >"$1/file"', dir)
      server:handler("file", ('sess:response_io(assert(httpsrv.io.open(%q)))'):format(dir .. "/file"))
      local c = server:connect()
      c:request("GET", "/run/file")
      assert.are.equal("20000000", c:head().headers["content-length"])
      assert.are.equal(7, server:lua("return 7"))
      local text = c.io:read(20000000)
      assert.are.equal(20000000, #text)
      assert.is_nil(text:find("[^z]"))
      c:close()
      S.remove(dir)
    end))
  end)

  describe("phases", function()
    -- proves: httpsrv.on_unload
    it("ruling 19: what is made while loading starts when the scripts are live; the end runs on_unload", timed(function()
      local s = assert(S.start({ ["a.lua"] = [[
        local httpsrv = require "httpsrv"
        local phases = { httpsrv.phase() }
        httpsrv.timer.after(0, function() phases[#phases + 1] = "timer " .. httpsrv.phase() end)
        httpsrv.spawn(function() phases[#phases + 1] = "task " .. httpsrv.phase() end)
        httpsrv.sleep(0.1)
        phases[#phases + 1] = "waited"
        httpsrv.register("GET", "/phases", function(sess) sess:response_json(phases) end)
        httpsrv.on_unload(function() httpsrv.sleep(0.01) print("unloaded second") end)
        httpsrv.on_unload(function() print("unloaded first") end)
      ]] }))
      local phases = S.eventually(function()
        local list = cjson.decode(s:request("GET", "/phases").body)
        return #list == 4 and list
      end)
      assert.are.same({ "load", "waited" }, { phases[1], phases[2] })
      table.sort(phases)
      assert.are.same({ "load", "task run", "timer run", "waited" }, phases)
      local status, _, log = s:stop()
      assert.are.equal(0, status)
      assert.is_truthy(log:find("unloaded first.*unloaded second"), log)
    end))

    it("ruling 19: require serialises: who asks for a module that is loading waits for it", timed(function()
      local s = assert(S.start({
        ["a.lua"] = [[
          local httpsrv = require "httpsrv"
          loads = 0
          httpsrv.register("GET", "/", function(sess)
            local tasks = {}
            for i = 1, 3 do tasks[i] = httpsrv.spawn(require, "slow") end
            local names = {}
            for i = 1, 3 do local _, module = tasks[i]:wait() names[i] = module.name end
            sess:response_json { names, loads }
          end)
          httpsrv.register("GET", "/loop", function() require "loop_a" end)
        ]],
        ["lib/slow.lua"] = 'local httpsrv = require "httpsrv" loads = loads + 1 httpsrv.sleep(0.05) return { name = ... }',
        ["lib/loop_a.lua"] = 'require "loop_b"',
        ["lib/loop_b.lua"] = 'require "loop_a"',
      }))
      assert.are.same({ { "slow", "slow", "slow" }, 1 }, cjson.decode(s:request("GET", "/").body))
      assert.are.equal(500, s:request("GET", "/loop").status)
      assert.is_truthy(s:logs("loop while loading module 'loop_a'"))
      assert.are.equal(0, (s:stop()))
    end))
  end)

  describe("practice", function()
    it("ruling 28: print goes to the log", timed(function()
      server:get('print("a print", 1, nil, setmetatable({}, { __tostring = function() httpsrv.sleep(0.01) return "waited" end }))')
      server:logs("a print 1 nil waited")
    end))

    it("ruling 28: dofile, require, load and loadfile may wait", timed(function()
      local dir = S.folder({ ["waits.lua"] = 'require "httpsrv".sleep(0.01) return "waited"' })
      local result = server:lua(([[
        package.path = %q .. "/?.lua;" .. package.path
        local waited = { dofile(%q), require "waits", loadfile(%q)() }
        local pieces = { "return ", "'pieces'" }
        waited[4] = load(function() httpsrv.sleep(0.005) return table.remove(pieces, 1) end)()
        return waited
      ]]):format(dir, dir .. "/waits.lua", dir .. "/waits.lua"))
      assert.are.same({ "waited", "waited", "waited", "pieces" }, result)
      S.remove(dir)
    end))

    it("ruling 28: what cannot wait is named", timed(function()
      for code, name in pairs({
        ["table.sort({ 1, 2, 3 }, function(a, b) httpsrv.sleep(0) return a < b end)"] = "sort",
        ["('abc'):gsub('.', function() httpsrv.sleep(0) end)"] = "gsub",
        ["('%s'):format(setmetatable({}, { __tostring = function() httpsrv.sleep(0) return '' end }))"] = "format",
        ["table.sort({ 1, 2 }, function(a, b) sess:request_data_get_string() httpsrv.queue():get() return a < b end)"] = "sort",
        ["table.sort({ 1, 2 }, function(a, b) coroutine.wrap(function() httpsrv.sleep(0) end)() return a < b end)"] = "sort",
      }) do
        local r = server:lua("local ok, err = pcall(function() " .. code .. " end) return { ok, tostring(err) }")
        assert.is_false(r[1], code)
        assert.is_truthy(r[2]:find(name, 1, true), code .. ": " .. r[2])
        assert.are.equal(1, server:lua("return 1"))
      end
    end))

    it("ruling 28: nor can __gc", timed(function()
      server:lua("kept.result = nil")
      local result = server:lua([[
        local p = newproxy(true)
        getmetatable(p).__gc = function()
          local ok, err = pcall(httpsrv.sleep, 0)
          kept.result = { ok, tostring(err), httpsrv.async_ok() }
        end
        p = nil
        collectgarbage()
        collectgarbage()
        return kept.result or { "not collected" }
      ]])
      assert.is_false(result[1])
      assert.is_truthy(result[2]:find("cannot wait inside", 1, true), result[2])
      assert.is_false(result[3])
    end))

    it("ruling 28: os.exit closes the state and ends with its status", timed(function()
      local dir = S.folder({
        ["a.lua"] = [[
          local p = newproxy(true)
          getmetatable(p).__gc = function() io.stdout:write("closed\n") end
          KEPT = p
          io.stdout:write("exits\n")
          coroutine.wrap(function() os.exit(tonumber(arg[1]) or true) end)()
        ]],
      })
      for argument, status in pairs({ ["7"] = 7, ["x"] = 0 }) do
        local got, out = S.run("lua", dir .. "/a.lua", argument)
        assert.are.same({ status, "exits\nclosed\n" }, { got, out })
      end
      local s = assert(S.start("spec/handlers"))
      s:handler("exit", "os.exit(5)")
      local c = s:connect()
      c:request("GET", "/run/exit")
      assert.is_truthy(c:closed())
      assert.are.equal(5, (s:stop()))
      S.remove(dir)
    end))
  end)
end)

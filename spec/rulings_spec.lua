-- The rulings on the edges of the API, as a script and a client see them.
local httpsrv = require "httpsrv"
local S = require "support.server"

local timed = S.timed

describe("rulings", function()
  local server

  setup(function() server = assert(S.start("spec/handlers")) end)

  teardown(function()
    local status, killed, log = server:stop()
    assert.are.equal(0, status, tostring(killed) .. "\n" .. log:sub(-2000))
  end)

  before_each(function() server:mark() end)

  -- Requests the handler and goes away while it waits; kept.waiting says that it does.
  local function abort(name, prefix)
    server:lua("kept.waiting, kept.result = nil")
    local c = server:connect()
    c:request("GET", (prefix or "/run/") .. name)
    server:kept("waiting")
    c:close()
  end

  describe("client abort", function()
    it("ruling 3: cancelled is raised at the wait and at each later one", timed(function()
      server:handler("aborted", [[
        kept.waiting = true
        local caught = {}
        for i = 1, 3 do
          local ok, err = pcall(httpsrv.sleep, 20)
          caught[i] = not ok and err == httpsrv.cancelled
        end
        local ok, err = pcall(function() return httpsrv.event():wait() end)
        caught[4] = not ok and err == httpsrv.cancelled
        ok, err = pcall(sess.response_flush, sess)
        caught[5] = not ok and err == httpsrv.cancelled
        kept.result = caught
        error(cancelled)
      ]])
      server:nothing_left(function()
        abort("aborted")
        assert.are.same({ true, true, true, true, true }, server:kept("result"))
      end)
      assert.is_nil(server:log():find("error", 1, true))
    end))

    it("ruling 3: after 16 further waits the coroutine goes on no more", timed(function()
      server:handler("stubborn", [[
        kept.waiting, kept.count = true, 0
        while true do
          local ok = pcall(httpsrv.sleep, 20)
          if not ok then kept.count = kept.count + 1 end
        end
      ]])
      server:nothing_left(function()
        abort("stubborn")
        S.eventually(function() return server:lua("return kept.count") > 0 end)
      end)
      assert.are.equal(17, server:lua("return kept.count"))
    end))

    it("ruling 3: shield lets clean-up wait, and for so long only", timed(function()
      server:handler("shielded", [[
        kept.waiting = true
        local t = httpsrv.now()
        local ok = pcall(httpsrv.sleep, 20)
        local result = { cancelled = not ok }
        result.value = httpsrv.shield(function(x) httpsrv.sleep(0.05) return x end, 5, "cleaned")
        local ok2, err = pcall(httpsrv.shield, function() httpsrv.sleep(20) end, 0.05)
        result.expired = not ok2 and err == cancelled
        result.later = not pcall(httpsrv.sleep, 0)
        result.took = httpsrv.now() - t < 10
        kept.result = result
      ]])
      abort("shielded")
      assert.are.same({ cancelled = true, value = "cleaned", expired = true, later = true, took = true }, server:kept("result"))
    end))

    it("ruling 3: a wait inside a shield is not disturbed at all", timed(function()
      server:handler("inside", [[
        kept.waiting = true
        local value = httpsrv.shield(function() httpsrv.sleep(0.2) return "whole" end, 10)
        local ok, err = pcall(httpsrv.sleep, 20)
        kept.result = { value, not ok and err == cancelled }
      ]])
      abort("inside")
      assert.are.same({ "whole", true }, server:kept("result"))
    end))

    it("ruling 3: on_abort = continue runs to the end, with the output discarded", timed(function()
      server:handler("goes_on", [[
        kept.waiting = true
        httpsrv.sleep(0.2)
        for i = 1, 100 do sess:response_append(("x"):rep(65536)) end
        httpsrv.sleep(0.05)
        kept.result = "end"
      ]])
      server:nothing_left(function()
        abort("goes_on", "/continue/")
        assert.are.equal("end", server:kept("result"))
      end)
    end))

    it("ruling 3: a FIN while the handler waits is an abort, unless the route allows half-closed clients", timed(function()
      server:handler("half", [[
        kept.waiting = true
        local ok, err = pcall(httpsrv.sleep, 0.2)
        kept.result = ok and "slept" or err == cancelled and "cancelled" or tostring(err)
        sess:response_append("after")
      ]])
      for prefix, expected in pairs({ ["/run/"] = "cancelled", ["/half/"] = "slept" }) do
        server:lua("kept.waiting, kept.result = nil")
        local c = server:connect({ half_close = true })
        c:request("GET", prefix .. "half")
        server:kept("waiting")
        c:half_close()
        assert.are.equal(expected, server:kept("result"))
        if expected == "slept" then
          assert.are.equal("after", c:response().body)
        end
        c:close()
      end
    end))

    it("ruling 3: a FIN does not stop what is queued, nor a running stream", timed(function()
      server:handler("stream", [[
        sess:response_io(httpsrv.io.memory(("a"):rep(3000000)))
        sess:response_io(httpsrv.io.memory(("b"):rep(3000000)))
      ]])
      local c = server:connect({ half_close = true })
      c:request("GET", "/run/stream")
      c:half_close()
      local r = c:response()
      assert.is_nil(r.broken)
      assert.are.equal(6000000, #r.body)
      c:close()
    end))

    it("ruling 3: handler_timeout is 503 and a cancellation", timed(function()
      local r = server:get([[
        local ok, err = pcall(httpsrv.sleep, 20)
        kept.limited = not ok and err == cancelled
      ]], { prefix = "/limited/" })
      assert.are.equal(503, r.status)
      assert.is_true(server:kept("limited"))
    end))

    it("ruling 3: a generator, its reader gone, is cancelled", timed(function()
      server:handler("generator", [[
        sess:response_io(httpsrv.io.generator(function(write)
          kept.waiting = true
          local ok, err = pcall(function() while true do write(("x"):rep(10000)) end end)
          kept.result = not ok and err == cancelled
        end))
      ]])
      server:nothing_left(function()
        abort("generator")
        assert.is_true(server:kept("result"))
      end)
    end))
  end)

  describe("what may be added when", function()
    it("ruling 4: append, printf and io keep the order of calls", timed(function()
      local r = server:get([[
        sess:response_append("1")
        sess:response_printf("%d-%s", 2, "two")
        sess:response_io(httpsrv.io.memory("3"))
        sess:response_append("4")
        sess:response_io(httpsrv.io.generator(function(write) httpsrv.sleep(0.01) write("5", 6) end))
        sess:response_printf("7")
        sess:response_io(httpsrv.io.memory("8"), true)
        sess:response_append(9)
      ]])
      assert.are.equal("12-two3456789", r.body)
    end))

    it("ruling 4: string and json replace what is unsent", timed(function()
      local r = server:get([[
        sess:response_append("gone")
        sess:response_io(httpsrv.io.memory("gone"))
        sess:response_string("text")
      ]])
      assert.are.equal("text", r.body)
      assert.are.equal("text/plain", r.headers["content-type"])
      r = server:get('sess:response_append("gone") sess:response_string("gone") sess:response_json({ a = 1 })')
      assert.are.equal('{"a":1}', r.body)
      r = server:get('sess:response_json({ 1 }) sess:response_append("more")')
      assert.are.equal("[1]more", r.body)
    end))

    it("ruling 4: a payload gives EBADF once the head is sent, anything after the end", timed(function()
      local r = server:get([[
        sess:response_append("one ")
        sess:response_flush()
        local _, m1, string = sess:response_string("x")
        local _, m2, json = sess:response_json({})
        local _, m3, header = sess:response_header_set("A", "b")
        local _, m4, status = sess:response_status_set(404)
        local append = sess:response_append("two ")
        sess:response_flush(true)
        local results = { string, json, header, status, append, (select(3, sess:response_append("x"))),
          (select(3, sess:response_printf("x"))), (select(3, sess:response_io(httpsrv.io.memory("x")))) }
        kept.result = { results, { m1, m2, m3, m4 } }
      ]])
      assert.are.equal("one two ", r.body)
      local result = server:kept("result")
      assert.are.same({ "EBADF", "EBADF", "EBADF", "EBADF", true, "EBADF", "EBADF", "EBADF" }, result[1])
      for _, message in ipairs(result[2]) do assert.is_string(message) end
    end))

    it("ruling 4: nothing can be added after the handler's end", timed(function()
      server:lua("kept.result = nil")
      server:handler("later", [[
        sess:response_io(httpsrv.io.generator(function(write)
          write("a")
          httpsrv.sleep(0.1)
          write("b")
        end))
        httpsrv.spawn_detached(function()
          httpsrv.sleep(0.03)
          kept.result = { sess:response_append("x") or "nil", select(3, sess:response_append("x")) }
        end)
      ]])
      local r = server:request("GET", "/run/later")
      assert.are.equal("ab", r.body)
      assert.are.same({ "nil", "EBADF" }, server:kept("result"))
    end))
  end)

  describe("who owns an io", function()
    it("ruling 5: what is being streamed is busy, a clone is not", timed(function()
      local r = server:get([[
        local io = httpsrv.io.memory("abcdef")
        io:read(2)
        local copy = io:clone()
        sess:response_io(io)
        local codes = {}
        codes[1] = select(3, io:read(1))
        codes[2] = select(3, io:seek("set", 0))
        codes[3] = select(3, sess:response_io(io))
        local _, _, code = httpsrv.io.range(io, 0, 1)
        codes[4] = code
        codes[5] = copy:read(1)
        kept.result = codes
      ]])
      assert.are.equal("cdef", r.body)
      assert.are.equal("4", r.headers["content-length"])
      assert.are.same({ "EBUSY", "EBUSY", "EBUSY", "EBUSY", "a" }, server:kept("result"))
    end))

    it("ruling 5: close drops the script's reference only", timed(function()
      server:nothing_left(function()
        local r = server:get([[
          local io = httpsrv.io.generator(function(write) for i = 1, 5 do httpsrv.sleep(0.01) write(i) end end)
          sess:response_io(io)
          io:close()
          kept.result = { select(2, io:read(1)) }
        ]])
        assert.are.equal("12345", r.body)
        assert.are.same({ "io is closed", "EBADF" }, server:kept("result"))
      end)
    end))

    it("ruling 5: concat, range and gzip take over their sources", timed(function()
      local result = server:lua([[
        local results = {}
        for name, make in pairs {
          concat = function(io) return httpsrv.io.concat(httpsrv.io.memory("x"), io) end,
          range = function(io) return httpsrv.io.range(io, 0, 2) end,
          gzip = function(io) return httpsrv.io.gzip(io) end,
        } do
          local io = httpsrv.io.memory("abc")
          local taken = assert(make(io))
          local first = select(3, io:read(1))
          io:close()
          results[name] = { first, #taken:read("*a") > 0 }
        end
        return results
      ]])
      assert.are.same({ concat = { "EBUSY", true }, range = { "EBUSY", true }, gzip = { "EBUSY", true } }, result)
    end))

    it("ruling 5: the request's body can be the response", timed(function()
      local body = ("0123456789"):rep(100000)
      server:handler("echo", "sess:response_io(sess:request_data_get())")
      local c = server:connect()
      local writer = httpsrv.spawn(function() c:request("POST", "/run/echo", { body = body }) end)
      assert.is_true(c:response().body == body)
      assert.is_true((writer:wait()))
      c:close()
    end))

    it("ruling 5: immediate past its limit is EMSGSIZE", timed(function()
      local r = server:get([[
        local ok, msg, code = sess:response_io(httpsrv.io.memory(("x"):rep(16 * 1024 * 1024 + 1)), true)
        kept.result = { ok == nil, code }
        sess:response_string("rest")
      ]])
      assert.are.equal(200, r.status)
      assert.are.same({ true, "EMSGSIZE" }, server:kept("result"))
    end))

    it("ruling 5: immediate reads what comes in pieces in one call", timed(function()
      local r = server:get([[
        local reader, writer = httpsrv.io.pipe()
        httpsrv.spawn(function()
          for i = 1, 5 do httpsrv.sleep(0.01) writer:write(i, " ") end
          writer:close()
        end)
        local ok = sess:response_io(reader, true)
        sess:response_append(tostring(ok))
      ]])
      assert.are.equal("1 2 3 4 5 true", r.body)
      assert.are.equal("14", r.headers["content-length"])
    end))
  end)

  describe("when the head goes out", function()
    it("ruling 6: a wait sends nothing, a flush does", timed(function()
      server:handler("slow", [[
        sess:response_append("first ")
        httpsrv.sleep(0.2)
        kept.before_flush = true
        sess:response_flush()
        kept.gate = httpsrv.event()
        kept.gate:wait()
        sess:response_append("second")
      ]])
      local c = server:connect()
      c:request("GET", "/run/slow")
      local begun = httpsrv.now()
      assert.are.equal(200, c:head().status)
      assert.is_true(httpsrv.now() - begun > 0.15)
      assert.are.equal("first ", c:chunk())
      server:lua("kept.gate:set()")
      assert.are.equal("second", c:chunk())
      assert.is_nil(c:chunk())
      c:close()
    end))

    it("ruling 6: the first bytes of an io at the front send it", timed(function()
      server:handler("front", [[
        kept.gate = httpsrv.event()
        sess:response_io(httpsrv.io.generator(function(write)
          write("one")
          kept.gate:wait()
          write("two")
        end))
        kept.gate:wait()
      ]])
      local c = server:connect()
      c:request("GET", "/run/front")
      assert.are.equal(200, c:head().status)
      assert.are.equal("one", c:chunk())
      server:lua("kept.gate:set()")
      assert.are.equal("two", c:chunk())
      assert.is_nil(c:chunk())
      c:close()
    end))

    it("ruling 6: a finished response does not wait for the next one on the connection", timed(function()
      server:handler("quick", 'sess:response_append("quick")')
      server:handler("gated", 'kept.gate = httpsrv.event() kept.gate:wait() sess:response_append("gated")')
      local c = server:connect()
      c:send("GET /run/quick HTTP/1.1\r\nHost: h\r\n\r\nGET /run/gated HTTP/1.1\r\nHost: h\r\n\r\n")
      assert.are.equal("quick", c:response().body)
      server:lua("kept.gate:set()")
      assert.are.equal("gated", c:response().body)
      c:close()
    end))

    it("ruling 6: past the high mark append waits, and the client gets it all", timed(function()
      server:lua("kept.result = nil")
      server:handler("much", [[
        local piece = ("x"):rep(65536)
        for i = 1, 200 do
          sess:response_append(piece)
          kept.result = i
        end
      ]])
      local c = server:connect()
      c:request("GET", "/run/much")
      server:kept("result")
      httpsrv.sleep(0.1)
      assert.is_true(server:lua("return kept.result") < 150)
      assert.are.equal(200 * 65536, #c:response().body)
      c:close()
    end))
  end)

  describe("late errors", function()
    it("ruling 7: a generator that fails at once is a 500", timed(function()
      local r = server:get('sess:response_io(httpsrv.io.generator(function() error("early failure") end))')
      assert.are.equal(500, r.status)
      assert.is_truthy(server:logs("early failure"))
    end))

    it("ruling 7: a generator that fails later breaks the response off", timed(function()
      server:nothing_left(function()
        local r = server:get([[
          sess:response_io(httpsrv.io.generator(function(write)
            write("begun")
            httpsrv.sleep(0.05)
            error("late failure")
          end))
        ]])
        assert.are.equal(200, r.status)
        assert.are.equal("begun", r.body)
        assert.is_truthy(r.broken)
      end)
      assert.is_truthy(server:logs("late failure"))
    end))

    it("ruling 7: where the end of the connection marks the end of the body, it is reset", timed(function()
      local options = { version = "1.0", tcp = true }
      local r = server:get([[
        sess:response_io(httpsrv.io.generator(function(write) write("all") httpsrv.sleep(0.02) write("!") end))
      ]], options)
      assert.are.equal("all!", r.body)
      assert.is_nil(r.broken)
      server:handler("reset", [[
        sess:response_io(httpsrv.io.generator(function(write) write("begun") httpsrv.sleep(0.05) error("late failure") end))
      ]])
      local c = server:connect(options)
      c:request("GET", "/run/reset", options)
      assert.are.equal(200, c:head().status)
      local _, _, code = c:rest()
      assert.are.equal("ECONNRESET", code)
      c:close()
    end))

    it("ruling 7: a handler's error after the head breaks the response off", timed(function()
      local r = server:get('sess:response_append("part") sess:response_flush() error("after the head")')
      assert.are.equal(200, r.status)
      assert.is_truthy(r.broken)
      assert.is_truthy(server:logs("after the head"))
    end))
  end)

  describe("framing", function()
    it("ruling 8: belongs to the core", timed(function()
      local result = server:lua([[
        local results = {}
        for _, name in ipairs { "Transfer-Encoding", "transfer-encoding", "Keep-Alive", "Upgrade", "TE", "Trailer", "Proxy-Connection" } do
          results[#results + 1] = pcall(sess.response_header_set, sess, name, "chunked") and name .. " was taken" or "refused"
          results[#results + 1] = pcall(sess.response_header_add, sess, name, "chunked") and name .. " was added" or "refused"
        end
        results[#results + 1] = pcall(sess.response_header_set, sess, "Connection", "keep-alive") and "taken" or "refused"
        return results
      ]])
      for _, value in ipairs(result) do assert.are.equal("refused", value) end
      assert.are.equal(15, #result)
    end))

    it("ruling 8: Connection: close closes", timed(function()
      server:handler("closes", 'sess:response_header_set("Connection", "close") sess:response_append("bye")')
      local c = server:connect()
      c:request("GET", "/run/closes")
      local r = c:response()
      assert.are.same({ "bye", "close" }, { r.body, r.headers.connection })
      assert.are.equal("EOF", c:closed())
      c:close()
    end))

    it("ruling 8: a Content-Length that is not the size is a 500", timed(function()
      local r = server:get('sess:response_header_set("Content-Length", "5") sess:response_append("123")')
      assert.are.equal(500, r.status)
      r = server:get('sess:response_header_set("Content-Length", "3") sess:response_append("123")')
      assert.are.same({ 200, "123", "3" }, { r.status, r.body, r.headers["content-length"] })
      assert.are.same({ "Content-Length: 3\r" }, (function()
        local found = {}
        for _, line in ipairs(r.lines) do if line:lower():find("content%-length") then found[#found + 1] = line end end
        return found
      end)())
      assert.is_truthy(server:logs("Content-Length"))
    end))

    it("ruling 8: of a stream the excess is cut, and a shortage aborts", timed(function()
      local code = [[
        sess:response_header_set("Content-Length", "6")
        sess:response_io(httpsrv.io.generator(function(write) for i = 1, %d do write("ab") httpsrv.sleep(0.01) end end))
      ]]
      local r = server:get(code:format(5))
      assert.are.same({ 200, "ababab", "6" }, { r.status, r.body, r.headers["content-length"] })
      assert.is_nil(r.broken)
      r = server:get(code:format(2))
      assert.are.same({ 200, "abab", "6" }, { r.status, r.body, r.headers["content-length"] })
      assert.is_truthy(r.broken)
    end))

    it("ruling 8: the function that sets the status changes nothing in it", timed(function()
      local heads = {}
      local calls = { "response_status_set(200, 'OK')", "response_status_set_std(200, 'OK', nil)", "response_status_set_std(200, 'OK')" }
      for i, call in ipairs(calls) do
        server:handler("framed", "sess:" .. call .. " sess:response_append('body')")
        local c = server:connect()
        c:request("GET", "/run/framed")
        c:request("GET", "/run/framed")
        local r = c:response()
        assert.are.equal("body", c:response().body)
        heads[i] = table.concat(r.lines, "\n"):gsub("Date: [^\n]*", "")
        c:close()
      end
      assert.are.equal(heads[1], heads[2])
      assert.are.equal(heads[1], heads[3])
    end))
  end)

  describe("responses without content", function()
    it("ruling 9: 204, 205 and 304 drop bytes and leave ios alone", timed(function()
      for _, status in ipairs({ 204, 205, 304 }) do
        server:lua("kept.started = false")
        server:handler("bodiless", ([[
          sess:response_status_set(%d)
          sess:response_append("bytes")
          sess:response_io(httpsrv.io.generator(function(write) kept.started = true write("x") end))
        ]]):format(status))
        local c = server:connect()
        c:request("GET", "/run/bodiless")
        c:request("GET", "/run/bodiless")
        local r = c:response()
        assert.are.equal(status, r.status)
        assert.is_nil(r.headers["transfer-encoding"])
        if status == 204 then assert.is_nil(r.headers["content-length"]) end
        assert.are.equal(status, c:response().status)
        assert.is_true(c:silent(0.02))
        c:close()
        assert.is_false(server:lua("return kept.started"))
      end
    end))

    it("ruling 9: HEAD goes to the GET handler, with the length that GET has", timed(function()
      server:handler("headed", 'sess:response_append("12345") sess:response_io(httpsrv.io.memory("678"))')
      local c = server:connect()
      c:request("HEAD", "/get/headed")
      local r = c:response("HEAD")
      assert.are.same({ 200, "8" }, { r.status, r.headers["content-length"] })
      c:request("GET", "/get/headed")
      assert.are.equal("12345678", c:response().body)
      c:close()
      server:lua("kept.started = false")
      server:handler("headed", 'sess:response_io(httpsrv.io.generator(function(write) kept.started = true write("x") end))')
      assert.are.equal(200, server:request("HEAD", "/get/headed").status)
      assert.is_false(server:lua("return kept.started"))
    end))

    it("ruling 9: OPTIONS without a handler, and a method that there is none for", timed(function()
      local r = server:request("OPTIONS", "/get/x")
      assert.are.equal(204, r.status)
      assert.is_truthy(r.headers.allow:find("GET", 1, true))
      assert.is_truthy(r.headers.allow:find("HEAD", 1, true))
      r = server:request("DELETE", "/get/x")
      assert.are.equal(405, r.status)
      assert.is_truthy(r.headers.allow:find("GET", 1, true))
    end))

    it("ruling 9: the message is the body where no body function was called", timed(function()
      local function body(arguments)
        return server:get("sess:response_status_set_std(" .. arguments .. ")").body
      end
      assert.are.equal("All is well", body('200, "All is well", "text/plain"'))
      assert.are.equal("Nope", body('404, "Nope"'))
      assert.are.equal("<b>", body('500, "<b>", "text/html"'))
      assert.are.equal("", body('200, "OK", "image/png"'))
      assert.are.equal("", body('204, "OK", "text/plain"'))
      assert.are.equal("", server:get('sess:response_status_set_std(200, "OK", "text/plain") sess:response_append("")').body)
      local r = server:get("return")
      assert.are.same({ 200, "" }, { r.status, r.body })
    end))

    it("ruling 9: statuses from 200 to 599", timed(function()
      local r = server:get('sess:response_status_set(599, "Odd")')
      assert.are.same({ 599, "Odd" }, { r.status, r.reason })
      local result = server:lua([[
        local results = {}
        for i, code in ipairs { 199, 600, 100, 0, -1, 200.5, 1e300, 0/0 } do results[i] = pcall(sess.response_status_set, sess, code) end
        return results
      ]])
      assert.are.same({ false, false, false, false, false, false, false, false }, result)
    end))
  end)
end)

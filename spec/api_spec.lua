-- Methods of sessions and functions of httpsrv as scripts call them: from everywhere that may wait, and on what has ended.
local cjson = require "cjson"
local S = require "support.server"

local timed = S.timed

-- Every method of a session, with arguments that are right.
local METHODS = [[
  local methods = {
    ctx = {}, detach = {}, finish = {}, path_rest = {}, request_method_get = {}, request_protocol_get = {}, request_path_get = {},
    request_username_get = {}, request_subject_cn_get = {}, request_url_get = {}, request_args = {}, request_headers = {},
    request_trailers = {}, request_header_get = { "host" }, request_content_type_get = {}, request_peer_address = {},
    request_local_address = {}, client_address = {}, request_id = {},
    request_data_get = {}, request_data_get_string = {}, request_data_get_json = {},
    request_data_spool = {}, response_status_set = { 200 }, response_status_set_std = { 200, "OK", "text/plain" },
    response_status_ok = { "text/plain" }, response_status_denied = { "text/plain" }, response_status_not_found = { "text/plain" },
    response_status_error = { "text/plain" }, response_header_set = { "A", "b" }, response_header_add = { "A", "b" },
    response_append = { "x" }, response_printf = { "x" }, response_string = { "x" }, response_json = { 1 },
    response_io = { httpsrv.io.memory("x") }, response_flush = { true }, redirect = { "/" },
  }
  local function try(sess)
    local bad, n = {}, 0
    for name in pairs(methods) do
      n = n + 1
      local ok, value, msg, code = pcall(sess[name], sess, unpack(methods[name]))
      if not (ok and value == nil and type(msg) == "string" and code == "EBADF") then
        bad[#bad + 1] = ("%s: %s %s %s %s"):format(name, tostring(ok), tostring(value), tostring(msg), tostring(code))
      end
    end
    if type(tostring(sess)) ~= "string" then bad[#bad + 1] = "tostring" end
    if n < 38 then bad[#bad + 1] = "only " .. n end
    return table.concat(bad, "\n")
  end
]]

describe("what has ended", function()
  local server

  setup(function() server = assert(S.start("spec/handlers")) end)

  teardown(function()
    local status, killed, log = server:stop()
    assert.are.equal(0, status, tostring(killed) .. "\n" .. log:sub(-2000))
  end)

  before_each(function() server:mark() server:lua("kept.sess, kept.result, kept.waiting = nil") end)

  -- From another session's handler, from a timer, from a task and from a generator.
  local function dead_everywhere()
    local call = METHODS .. " local s = kept.sess "
    assert.are.equal("", server:lua(call .. "return try(s)"))
    for _, start in ipairs({ "httpsrv.timer.after(0, fn)", "httpsrv.spawn_detached(fn)", "httpsrv.spawn_detached(coroutine.wrap(fn))" }) do
      server:lua("kept.result = nil")
      server:lua(call .. "local function fn() kept.result = try(s) end " .. start)
      assert.are.equal("", server:kept("result"))
    end
    local r = server:get(call .. "sess:response_io(httpsrv.io.generator(function(write) write('[' .. try(s) .. ']') end))")
    assert.are.equal("[]", r.body)
    assert.are.equal("session has finished", server:lua("return (select(2, kept.sess:response_append('x')))"))
  end

  it("threat 34: a session that has finished", timed(function()
    server:nothing_left(function()
      assert.are.equal("body", server:get("kept.sess = sess sess:response_append('body')").body)
      dead_everywhere()
      assert.are.equal("body", server:get("kept.sess = sess sess:response_io(httpsrv.io.memory('body'))").body)
      dead_everywhere()
    end)
  end))

  it("threat 34: a session that failed, before the head and after", timed(function()
    assert.are.equal(500, server:get("kept.sess = sess error('on purpose')").status)
    dead_everywhere()
    assert.is_truthy(server:get("kept.sess = sess sess:response_append('x') sess:response_flush() error('on purpose')").broken)
    dead_everywhere()
  end))

  it("threat 34: a session whose client has gone", timed(function()
    server:handler("gone", "kept.sess = sess kept.waiting = true httpsrv.sleep(20)")
    local live = server:live().sessions
    local c = server:connect()
    c:request("GET", "/run/gone")
    server:kept("waiting")
    c:close()
    S.eventually(function() return server:live().sessions == live end)
    dead_everywhere()
  end))

  it("threat 34: a session that ran out of its time", timed(function()
    assert.are.equal(503, server:get("kept.sess = sess httpsrv.sleep(20)", { prefix = "/limited/" }).status)
    S.eventually(function() return server:live().sessions == 1 end)
    dead_everywhere()
  end))

  -- proves: session:detach, session:finish
  it("threat 34: a session that was detached and finished", timed(function()
    assert.are.equal("x", server:get([[
      kept.sess = sess
      sess:detach()
      httpsrv.spawn(function() httpsrv.sleep(0.01) sess:response_append("x") sess:finish() end)
    ]]).body)
    S.eventually(function() return server:live().sessions == 1 end)
    dead_everywhere()
  end))

  it("threat 34: after the abort, in the handler itself, nothing crashes", timed(function()
    server:handler("after", METHODS .. [[
      kept.sess = sess
      kept.waiting = true
      pcall(httpsrv.sleep, 20)
      local n = 0
      for name, arguments in pairs(methods) do
        pcall(sess[name], sess, unpack(arguments))
        n = n + 1
      end
      kept.result = n
    ]])
    server:nothing_left(function()
      for _ = 1, 3 do
        server:lua("kept.waiting, kept.result = nil")
        local c = server:connect()
        c:request("GET", "/run/after")
        server:kept("waiting")
        c:close()
        assert.is_true(server:kept("result") >= 36)
      end
      dead_everywhere()
    end)
  end))

  it("threat 34: what is no session is a wrong argument", timed(function()
    assert.are.equal("", server:lua(METHODS .. [[
      local bad = {}
      for name, arguments in pairs(methods) do
        for _, self in ipairs { 1, "x", {}, { "x" }, { -1 }, { 0/0 }, { 1e300 }, { {} }, print, io.stdout, httpsrv.io.memory("x") } do
          local ok, value, _, code = pcall(sess[name], self, unpack(arguments))
          if ok and not (value == nil and code == "EBADF") then bad[#bad + 1] = name .. " took a " .. type(self) end
        end
        if pcall(sess[name]) then bad[#bad + 1] = name .. " took nothing" end
      end
      return table.concat(bad, "\n")
    ]]))
  end))

  it("threat 34: ios that are closed, or whose session has ended", timed(function()
    assert.are.equal("", server:lua([[
      local bad = {}
      local calls = { read = { 1 }, write = { "x" }, seek = { "set", 0 }, size = {}, clone = {}, flush = {} }
      local function try(what, io, expected)
        for name, arguments in pairs(calls) do
          local ok, value, msg, code = pcall(io[name], io, unpack(arguments))
          if not (ok and value == nil and type(msg) == "string" and code == expected) then
            bad[#bad + 1] = ("%s: %s: %s %s %s %s"):format(what, name, tostring(ok), tostring(value), tostring(msg), tostring(code))
          end
        end
        local ok, value, _, code = pcall(sess.response_io, sess, io)
        if not (ok and value == nil and code == expected) then bad[#bad + 1] = what .. ": response_io " .. tostring(code) end
      end
      local make = { memory = function() return httpsrv.io.memory("x") end, tmpfile = httpsrv.io.tmpfile, pipe = httpsrv.io.pipe,
        generator = function() return httpsrv.io.generator(function() end) end }
      for what, new in pairs(make) do
        local io = assert(new())
        io:close()
        try("closed " .. what, io, "EBADF")
        if select(3, io:close()) ~= "EBADF" then bad[#bad + 1] = what .. " closed again" end
      end
      return table.concat(bad, "\n")
    ]]))
    server:lua("kept.io = nil")
    server:get("kept.io = sess:request_data_get() kept.text = kept.io:read(2)", { method = "POST", body = "body" })
    local result = server:lua([[
      local ok, value, msg, code = pcall(kept.io.read, kept.io, 1)
      return { ok, value == nil, type(msg), code }
    ]])
    assert.are.same({ true, true, "string" }, { result[1], result[2], result[3] })
    assert.are.same({ 200, "" }, (function()
      local r = server:get("kept.io:close() kept.io = nil")
      return { r.status, r.body }
    end)())
  end))
end)

describe("waiting", function()
  local server

  setup(function() server = assert(S.start("spec/handlers")) end)

  teardown(function()
    local status, killed, log = server:stop()
    assert.are.equal(0, status, tostring(killed) .. "\n" .. log:sub(-2000))
  end)

  -- Ways to call a function that waits. Each returns what fn returns.
  local THROUGH = [[
    local through = {
      call = function(fn) return fn() end,
      pcall = function(fn) return select(2, assert(pcall(fn))) end,
      xpcall = function(fn) return select(2, assert(xpcall(fn, debug.traceback))) end,
      iterator = function(fn) for value in function(_, last) if not last then return fn() end end do return value end end,
      pairs = function(fn) for _, f in pairs { fn } do return f() end end,
      index = function(fn) return setmetatable({}, { __index = function() return fn() end }).x end,
      newindex = function(fn) local r setmetatable({}, { __newindex = function() r = fn() end }).x = 1 return r end,
      call_meta = function(fn) return setmetatable({}, { __call = function() return fn() end })() end,
      concat = function(fn) return setmetatable({}, { __concat = function() return fn() end }) .. "x" end,
      add = function(fn) return setmetatable({}, { __add = function() return fn() end }) + 1 end,
      unm = function(fn) return -setmetatable({}, { __unm = function() return fn() end }) end,
      lt = function(fn) local r local mt = { __lt = function() r = fn() return true end }
        return setmetatable({}, mt) < setmetatable({}, mt) and r end,
      eq = function(fn) local r local mt = { __eq = function() r = fn() return true end }
        return setmetatable({}, mt) == setmetatable({}, mt) and r end,
      tostring = function(fn) local r tostring(setmetatable({}, { __tostring = function() r = fn() return "" end })) return r end,
      wrap = function(fn) return coroutine.wrap(fn)() end,
      resume = function(fn) return select(2, assert(coroutine.resume(coroutine.create(fn)))) end,
      nested = function(fn)
        return coroutine.wrap(function() return coroutine.wrap(function() return coroutine.wrap(fn)() end)() end)()
      end,
      yields = function(fn)
        local co = coroutine.wrap(function() coroutine.yield("between") coroutine.yield(fn()) end)
        assert(co() == "between")
        return co()
      end,
      pcall_in_coroutine = function(fn)
        return coroutine.wrap(function() return select(2, pcall(coroutine.wrap(function() return select(2, pcall(fn)) end))) end)()
      end,
      require = function(fn)
        local name = "module" .. tostring({}):gsub("%W", "")
        package.preload[name] = function() return fn() end
        return require(name)
      end,
      load = function(fn)
        local once = true
        return load(function() if once then once = false return "return '" .. fn() .. "'" end end)()
      end,
      shield = function(fn) return httpsrv.shield(fn, 5) end,
      task = function(fn) if httpsrv.phase() == "load" then return fn() end return select(2, httpsrv.spawn(fn):wait()) end,
      status = function(fn)
        local co, seen
        local watch = { fn = function() seen = coroutine.status(co) return fn() end }
        co = coroutine.create(function() return watch.fn() end)
        local _, value = coroutine.resume(co)
        assert(seen == "running" and coroutine.status(co) == "dead")
        return value
      end,
    }
    local function all()
      local bad = {}
      for name, way in pairs(through) do
        local ok, value = pcall(way, function() httpsrv.sleep(0.001) return "waited" end)
        if not ok or value ~= "waited" then bad[#bad + 1] = name .. ": " .. tostring(value) end
      end
      return #bad == 0 and "all" or table.concat(bad, "\n")
    end
  ]]

  it("ruling 28: from a handler, a generator, a timer, a task and their coroutines", timed(function()
    assert.are.equal("all", server:get(THROUGH .. "sess:response_append(all())").body)
    assert.are.equal("all", server:get(THROUGH .. "sess:response_io(httpsrv.io.generator(function(write) write(all()) end))").body)
    for _, start in ipairs({ "httpsrv.timer.after(0, fn)", "httpsrv.spawn_detached(fn)", "httpsrv.spawn_detached(coroutine.wrap(fn))" }) do
      server:lua("kept.all = nil")
      server:get(THROUGH .. "local function fn() kept.all = all() end " .. start)
      assert.are.equal("all", server:kept("all"))
    end
    assert.are.equal("all", server:get(THROUGH .. "local t = httpsrv.spawn(all) sess:response_append(select(2, t:wait()))").body)
  end))

  it("ruling 28: while a script is loaded", timed(function()
    local s = assert(S.start({ ["a.lua"] = 'local httpsrv = require "httpsrv"\n' .. THROUGH .. [[
      local result = all()
      httpsrv.register("GET", "/", function(sess) sess:response_append(result .. " " .. require("module")) end)
    ]], ["module.lua"] = 'local httpsrv = require "httpsrv"\n' .. THROUGH .. " return all()" }))
    assert.are.equal("all all", s:request("GET", "/").body)
    assert.are.equal(0, (s:stop()))
  end))

  it("ruling 28: the script's own yields are its own", timed(function()
    assert.are.same({ 1, 2, 3, "end", "dead" }, server:lua([[
      local co = coroutine.create(function()
        for i = 1, 3 do httpsrv.sleep(0.001) coroutine.yield(i) httpsrv.sleep(0.001) end
        return "end"
      end)
      local values = {}
      for i = 1, 4 do values[i] = select(2, assert(coroutine.resume(co))) end
      values[5] = coroutine.status(co)
      return values
    ]]))
  end))
end)

describe("a session", function()
  local server

  setup(function() server = assert(S.start("spec/handlers")) end)

  teardown(function()
    local status, killed, log = server:stop()
    assert.are.equal(0, status, tostring(killed) .. "\n" .. log:sub(-2000))
  end)

  -- proves: session:request_header_get, session:request_headers, session:request_content_type_get
  it("tells what was requested", timed(function()
    server:handler("what", [[
      local headers = sess:request_headers()
      sess:response_json {
        sess:request_method_get(), sess:request_protocol_get(), sess:request_path_get(), sess:path_rest(),
        sess:request_header_get("X-TWICE"), sess:request_header_get("cookie"), sess:request_header_get("none") or "no",
        headers["X-Twice"], headers["x-twice"], { sess:request_content_type_get() },
        sess:request_username_get() or "nobody", sess:request_subject_cn_get() or "nobody",
      }
    ]])
    local r = server:request("PATCH", "/run/what/a%20b", {
      headers = { "X-Twice: one", "x-twice: two", "Cookie: a=1", "Cookie: b=2", 'Content-Type: Text/HTML; charset="utf-8"' }, body = "",
    })
    local result = cjson.decode(r.body)
    assert.are.same({ "PATCH", "HTTP/1.1", "/run/what/a b", "what/a b", "one, two", "a=1; b=2", "no", "one, two", "one, two" },
      { unpack(result, 1, 9) })
    assert.are.equal("utf-8", result[10][2])
    assert.are.equal("text/html", result[10][1]:lower())
    assert.are.same({ "nobody", "nobody" }, { result[11], result[12] })
  end))

  it("gives trailers apart", timed(function()
    server:handler("trailers", [[
      local text = sess:request_data_get_string()
      sess:response_json { text, sess:request_trailers()["X-Sum"], sess:request_header_get("x-sum") or "none" }
    ]])
    local c = server:connect()
    c:send("POST /run/trailers HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 7\r\n\r\n")
    assert.are.same({ "abc", "7", "none" }, cjson.decode(c:response().body))
    c:close()
  end))

  -- proves: session:response_header_set, session:response_header_add
  it("sets, adds and removes fields", timed(function()
    local r = server:get([[
      sess:response_header_set("X-A", "1")
      sess:response_header_set("x-a", "2")
      sess:response_header_add("X-B", "1")
      sess:response_header_add("X-B", "2")
      sess:response_header_set("X-C", "gone")
      sess:response_header_set("X-C", nil)
      sess:response_header_set("X-D", 5)
    ]])
    assert.are.same({ "2", "1, 2", "5" }, { r.headers["x-a"], r.headers["x-b"], r.headers["x-d"] })
    assert.is_nil(r.headers["x-c"])
  end))

  it("has the four usual statuses", timed(function()
    for name, status in pairs({ ok = 200, denied = 403, not_found = 404, error = 500 }) do
      local r = server:get(("sess:response_status_%s('text/html') sess:response_append('x')"):format(name))
      assert.are.same({ status, "text/html", "x" }, { r.status, r.headers["content-type"], r.body })
    end
  end))

  it("keeps a table of its own, and no fields", timed(function()
    assert.are.same({ "mine", false, false }, server:lua([[
      sess:ctx().value = "mine"
      local field = pcall(function() sess.field = 1 end)
      local other = httpsrv.spawn(function() return sess:ctx().value end)
      return { select(2, other:wait()), field, getmetatable(sess) }
    ]]))
    assert.are.equal(0, server:lua("local n = 0 for _ in pairs(sess:ctx()) do n = n + 1 end return n"))
  end))

  -- proves: httpsrv.phase, httpsrv.async_ok, httpsrv.in_pool
  it("shows where it runs", timed(function()
    assert.are.same({ "run", true, false, false }, server:lua([[
      local inside
      table.sort({ 1, 2 }, function(a, b) inside = httpsrv.async_ok() return a < b end)
      return { httpsrv.phase(), httpsrv.async_ok(), inside, httpsrv.in_pool() }
    ]]))
  end))

  -- proves: httpsrv.log
  it("logs at every level, and refuses others", timed(function()
    server:mark()
    assert.is_false(server:lua([[
      for _, level in ipairs { "info", "notice", "warn", "error" } do httpsrv.log(level, "at", level, nil, 7) end
      return (pcall(httpsrv.log, "loud", "x"))
    ]]))
    for _, level in ipairs({ "info", "notice", "warn", "error" }) do
      server:logs((" %s at %s nil 7"):format(level, level))
    end
  end))
end)

-- What runs around handlers, and pages for errors that the server answers by itself.
local spec = require "support.server"
local cjson = require "cjson"

local timed = spec.timed

-- Handlers from the folder that specs share, and hooks over them: what a hook does stands in the request's X-Do field, and all that
-- have run in X-Ran.
local HOOKS = [[
local httpsrv = require "httpsrv"
local last = {}

local function ran(sess, what)
  local list = sess:ctx()
  list[#list + 1] = what
  if sess:request_path_get() ~= "/last" then last = list end
  sess:response_header_set("X-Ran", table.concat(list, " "))
end

local function act(sess, name)
  ran(sess, name)
  local code = sess:request_header_get("X-" .. name)
  if code then return assert(loadstring("local sess, httpsrv, ran = ... " .. code))(sess, httpsrv, ran) end
end

httpsrv.before(function(sess) return act(sess, "B1") end)
httpsrv.after(function(sess, status, err)
  ran(sess, ("A1:%d:%s"):format(status, tostring(err):gsub("^.*: ", "")))
  local code = sess:request_header_get("X-A1")
  if code then loadstring("local sess, httpsrv = ... " .. code)(sess, httpsrv) end
end)
httpsrv.before(function(sess) return act(sess, "B2") end, { path = "/" })
httpsrv.after(function(sess) act(sess, "A2") end)
httpsrv.before(function(sess) return act(sess, "BDEEP") end, { path = "/run/deep/" })
httpsrv.after(function(sess) act(sess, "ADEEP") end, { path = "/run/deep" })
httpsrv.before(function() error("is never called") end, { path = "/nowhere/at/all" })

httpsrv.register("GET", "/exact", function(sess) sess:response_append("exact") end, { exact = true })
httpsrv.before(function(sess) return act(sess, "BELOW") end, { path = "/exact/below" })
httpsrv.register("GET", "/last", function(sess) sess:response_json(last) end)
]]

local PAGES = [[
local httpsrv = require "httpsrv"

local function page(sess, status, message, ...)
  local code = sess:request_header_get("X-Page")
  if code then return assert(loadstring("local sess, httpsrv, status = ... " .. code))(sess, httpsrv, status) end
  sess:response_json({ status, message, sess:request_path_get(), ... })
end
for _, status in ipairs { 400, 404, 405, 413, 500 } do httpsrv.register_error(status, page) end
]]

local function folder(files)
  local file = assert(io.open("spec/handlers/code.lua"))
  files["code.lua"] = file:read("*a")
  file:close()
  return files
end

describe("hooks", function()
  local server

  setup(function() server = assert(spec.start(folder({ ["a_hooks.lua"] = HOOKS }))) end)
  teardown(function()
    local status, killed = server:stop()
    assert.are.same({ 0 }, { status, killed })
  end)

  local function get(code, ...) return server:get(code, { headers = { ... } }) end

  -- proves: httpsrv.before, httpsrv.after
  it("run around the handler, before in order and after in reverse", timed(function()
    local r = get("sess:response_append('x')")
    assert.are.same({ 200, "x", "B1 B2 A2 A1:200:nil" }, { r.status, r.body, r.headers["x-ran"] })
    r = get("sess:response_status_not_found()")
    assert.are.same({ 404, "B1 B2 A2 A1:404:nil" }, { r.status, r.headers["x-ran"] })
  end))

  it("a before hook that returns something ends the request", timed(function()
    for result, goes_on in pairs {
      [""] = true, ["return"] = true, ["return nil"] = true, ["return true"] = false, ["return false"] = false, ["return 0"] = false,
      ["return nil, 'message', 'EBADF'"] = false, ["return sess:redirect('/login')"] = false,
    } do
      local r = get("sess:response_append('handler')", "X-B1: " .. result)
      assert.are.equal(goes_on and "handler" or "", r.body, result)
      assert.are.equal(goes_on and "B1 B2 A2 A1:200:nil" or result:find("redirect") and "B1 A2 A1:302:nil" or "B1 A2 A1:200:nil",
        r.headers["x-ran"])
    end
    assert.are.equal("/login", get("error('not reached')", "X-B2: return sess:redirect('/login')").headers.location)
  end))

  it("may wait", timed(function()
    local r = get("httpsrv.sleep(0.001) sess:response_append('x')", "X-B1: httpsrv.sleep(0.005)", "X-B2: httpsrv.sleep(0.001)",
      "X-A2: httpsrv.sleep(0.005)", "X-A1: httpsrv.sleep(0.001)")
    assert.are.same({ "x", "B1 B2 A2 A1:200:nil" }, { r.body, r.headers["x-ran"] })
  end))

  it("after hooks run after an error, and see it", timed(function()
    server:mark()
    local r = get("sess:response_append('lost') error('on purpose', 0)")
    assert.are.same({ 500, "A2 A1:500:on purpose" }, { r.status, r.headers["x-ran"]:match("(A2.*)$") })
    local id = r.body:match("^Internal Server Error %(id (%x+)%)\n$")
    assert.is_truthy(server:logs("error id " .. id .. ": on purpose"):find("traceback", 1, true))
    for value, shown in pairs {
      ["nil"] = "(error object is a nil value)", ["{}"] = "(error object is a table value)",
      ["setmetatable({}, { __tostring = function() return 'told' end })"] = "told",
      ["setmetatable({}, { __tostring = function() error('x') end })"] = "(error object is a table value)", ["12"] = "12",
    } do
      server:mark()
      assert.are.equal(500, get("error(" .. value .. ")").status)
      server:logs(": " .. shown)
    end
    assert.are.equal(200, get("").status)
  end))

  it("an error in a before hook is a 500, the handler is not called", timed(function()
    local r = get("sess:ctx().handler = true", "X-B2: error('in before')")
    assert.are.same({ 500, "A2 A1:500:in before" }, { r.status, r.headers["x-ran"]:match("(A2.*)$") })
  end))

  it("an error in an after hook is a 500, the others are called", timed(function()
    server:mark()
    local r = get("sess:response_append('lost')", "X-A2: error('in after')")
    assert.are.same({ 500, "B1 B2 A2 A1:500:nil" }, { r.status, r.headers["x-ran"] })
    assert.is_truthy(r.body:match("^Internal Server Error %(id %x+%)\n$"))
    server:logs(": in after")
    r = get("error('first')", "X-A2: error('second')", "X-A1: error('third')")
    assert.are.equal(500, r.status)
    server:logs(": first")
    server:logs(": second")
    server:logs(": third")
  end))

  it("an error behind the head is an abort, after the hooks", timed(function()
    server:lua("kept.after = nil")
    assert.is_truthy(get("sess:response_append('x') sess:response_flush() error('late')").broken)
    assert.are.equal("A1:200:late", cjson.decode(server:request("GET", "/last").body)[4] or "")
  end))

  it("after hooks run when the client has gone, and cannot wait then", timed(function()
    server:nothing_left(function()
      server:handler("gone", "kept.waiting = true httpsrv.sleep(20)")
      local c = server:connect()
      c:request("GET", "/run/gone", { headers = {
        "X-A2: local ok, e = pcall(httpsrv.sleep, 20) ran(sess, tostring(e == httpsrv.cancelled))" } })
      server:kept("waiting")
      c:close()
      spec.eventually(function()
        local list = cjson.decode(server:request("GET", "/last").body)
        return list[5] and list[5]:find("^A1:%d+:cancelled$") and list[4] == "true"
      end)
      server:lua("kept.waiting = nil")
    end)
    assert.are.equal("", server:log():match("error id[^\n]*cancelled") or "")
  end))

  it("after hooks run when the handler's time is over", timed(function()
    local r = server:get("httpsrv.sleep(20)", { prefix = "/limited/" })
    assert.are.equal(503, r.status)
    spec.eventually(function()
      local list = cjson.decode(server:request("GET", "/last").body)
      return list[4] == "A1:503:cancelled"
    end)
  end))

  it("of a detached session run when the handler returns", timed(function()
    local r = get([[
      sess:detach()
      httpsrv.spawn(function() httpsrv.sleep(0.01) sess:response_append(table.concat(sess:ctx(), " ")) sess:finish() end)]])
    assert.are.same({ "B1 B2 A2 A1:200:nil", "B1 B2 A2 A1:200:nil" }, { r.body, r.headers["x-ran"] })
  end))

  it("apply to a path and what is below", timed(function()
    server:handler("deep", "sess:response_append('x')")
    server:handler("deeper", "sess:response_append('x')")
    for target, list in pairs {
      ["/run/deep"] = "B1 B2 BDEEP ADEEP A2 A1:200:nil", ["/run/deep/er?x"] = "B1 B2 BDEEP ADEEP A2 A1:200:nil",
      ["/run/./%64eep"] = "B1 B2 BDEEP ADEEP A2 A1:200:nil", ["/run/deeper"] = "B1 B2 A2 A1:200:nil", ["/exact"] = "B1 B2 A2 A1:200:nil",
    } do
      local r = server:request("GET", target)
      assert.are.same({ 200, list }, { r.status, r.headers["x-ran"] }, target)
    end
  end))

  it("are not for what no handler answers", timed(function()
    local r = server:request("GET", "/exact/below")
    assert.are.same({ 404 }, { r.status, r.headers["x-ran"] })
    r = server:request("DELETE", "/exact")
    assert.are.same({ 405, "GET, HEAD, OPTIONS" }, { r.status, r.headers.allow, r.headers["x-ran"] })
  end))

  it("hold for 200 requests on one connection", timed(function()
    server:handler("many", "sess:response_append('x')")
    local c = server:connect()
    for _ = 1, 200 do c:request("GET", "/run/many") end
    for _ = 1, 200 do assert.are.equal("B1 B2 A2 A1:200:nil", c:response().headers["x-ran"]) end
    c:close()
  end))

  it("are for when scripts are loaded, and functions", timed(function()
    for call, message in pairs {
      ["httpsrv.before(print)"] = "only while the scripts", ["httpsrv.after(print)"] = "only while the scripts",
      ["httpsrv.register_error(404, print)"] = "only while the scripts", ["httpsrv.before()"] = "bad argument #1 to 'before'",
      ["httpsrv.after({})"] = "bad argument #1 to 'after'", ["httpsrv.before(print, 1)"] = "bad argument #2 to 'before'",
      ["httpsrv.after(print, { host = 'x' })"] = "unknown option 'host'", ["httpsrv.before(print, { path = 'x' })"] = "option 'path'",
      ["httpsrv.before(print, { path = '/a//b' })"] = "option 'path'", ["httpsrv.before(print, { path = '/a/../b' })"] = "option 'path'",
      ["httpsrv.before(print, { path = '/a/.' })"] = "option 'path'", ["httpsrv.before(print, { path = '//' })"] = "option 'path'",
      ["httpsrv.before(print, { path = '/%41' })"] = "option 'path'", ["httpsrv.before(print, { path = 1 })"] = "option 'path'",
      ["httpsrv.register_error(404)"] = "bad argument #2 to 'register_error'", ["httpsrv.register_error(399, print)"] = "bad argument #1",
      ["httpsrv.register_error(600, print)"] = "bad argument #1", ["httpsrv.register_error('404', print)"] = "bad argument #1",
      ["httpsrv.register_error(404.5, print)"] = "bad argument #1",
    } do
      local text = server:lua(("local _, e = pcall(function() %s end) return tostring(e)"):format(call))
      assert.is_truthy(text:find(message, 1, true), call .. ": " .. text)
    end
  end))
end)

describe("pages for errors", function()
  local server

  setup(function() server = assert(spec.start(folder({ ["z_pages.lua"] = PAGES }))) end)
  teardown(function()
    local status, killed = server:stop()
    assert.are.same({ 0 }, { status, killed })
  end)

  -- proves: httpsrv.register_error
  it("are made for what the server answers by itself", timed(function()
    local r = server:request("GET", "/no/where?x")
    assert.are.same({ 404, "application/json", { 404, "Not Found", "/no/where" } },
      { r.status, r.headers["content-type"], cjson.decode(r.body) })
    r = server:request("DELETE", "/get/x")
    assert.are.same({ 405, "GET, HEAD, OPTIONS", { 405, "Method Not Allowed", "/get/x" } },
      { r.status, r.headers.allow, cjson.decode(r.body) })
    r = server:request("POST", "/small/x", { body = ("x"):rep(11) })
    assert.are.same({ 413, { 413, "Content Too Large", "/small/x" } }, { r.status, cjson.decode(r.body) })
    r = server:request("GET", "/%00")
    assert.are.same({ 400, { 400, "Bad Request", "" } }, { r.status, cjson.decode(r.body) })
  end))

  it("are made for errors of handlers, with the id in the log", timed(function()
    server:mark()
    local r = server:get("sess:response_header_set('X-Lost', '1') sess:response_append('lost') error('on purpose', 0)")
    assert.are.same({ 500 }, { r.status, r.headers["x-lost"] })
    local status, message, _, id, more = unpack(cjson.decode(r.body))
    assert.are.same({ 500, "Internal Server Error" }, { status, message, more })
    server:logs("error id " .. id .. ": on purpose")
  end))

  it("are not for what handlers answer, nor for what the parser refuses", timed(function()
    local r = server:get("sess:response_status_not_found('text/plain')")
    assert.are.same({ 404, "Not Found" }, { r.status, r.body })
    local c = server:connect()
    c:send("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
    r = c:response()
    assert.are.equal(400, r.status)
    assert.is_falsy(r.body:find("[", 1, true))
    c:close()
  end))

  it("may wait, stream, and set another status", timed(function()
    local r = server:request("GET", "/none", { headers = {
      "X-Page: httpsrv.sleep(0.005) sess:response_status_set(200) sess:response_append(sess:path_rest())" } })
    assert.are.same({ 200, "none" }, { r.status, r.body })
    r = server:request("GET", "/none", { headers = {
      "X-Page: sess:response_io(httpsrv.io.generator(function(w) for i = 1, 3 do httpsrv.sleep(0.001) w(i) end end))" } })
    assert.are.same({ 404, "123" }, { r.status, r.body })
    r = server:request("HEAD", "/none")
    assert.are.same({ 404, "" }, { r.status, r.body })
    r = server:request("POST", "/none", { body = "abc", headers = { "X-Page: sess:response_append(sess:request_data_get_string())" } })
    assert.are.same({ 404, "abc" }, { r.status, r.body })
  end))

  it("that fail leave the built-in one, once, with what goes with the status", timed(function()
    server:mark()
    local fails = "X-Page: sess:response_header_set('X-Lost', '1') sess:response_status_set(200) sess:response_append('lost') "
      .. "error('in the page')"
    local r = server:request("DELETE", "/get/x", { headers = { fails } })
    assert.are.same({ 405, "GET, HEAD, OPTIONS", "Method Not Allowed\n", "text/plain" },
      { r.status, r.headers.allow, r.body, r.headers["content-type"], r.headers["x-lost"] })
    server:logs("register_error(405): ")
    r = server:get("error('on purpose')", { headers = { fails } })
    assert.are.same({ 500, "Internal Server Error\n" }, { r.status, r.body, r.headers["x-lost"] })
    server:logs("register_error(500): ")
    local _, times = server:log():gsub("in the page\n", "")
    assert.are.equal(2, times)
    -- Behind the head there is only the abort.
    r = server:request("GET", "/none", { headers = { "X-Page: sess:response_append('x') sess:response_flush() error('late')" } })
    assert.is_truthy(r.broken)
  end))

  it("are left alone when the client goes", timed(function()
    server:nothing_left(function()
      local c = server:connect()
      c:request("GET", "/none", { headers = { "X-Page: httpsrv.sleep(20)" } })
      spec.eventually(function() return server:live().sessions == 2 end)
      c:close()
      spec.eventually(function() return server:live().sessions == 1 end)
    end)
    assert.are.equal(404, server:request("GET", "/none").status)
  end))

  it("do not replace what has been begun", timed(function()
    assert.is_truthy(server:get("sess:response_append('x') sess:response_flush() error('late')").broken)
  end))

  it("keep the connection", timed(function()
    local c = server:connect()
    for _ = 1, 50 do c:request("GET", "/none") end
    for _ = 1, 50 do assert.are.equal(404, c:response().status) end
    c:close()
  end))

  it("one for each status", timed(function()
    local twice = 'local httpsrv = require "httpsrv"\nhttpsrv.register_error(404, print)\nhttpsrv.register_error(404, print)\n'
    local dir = spec.folder({ ["twice.lua"] = twice })
    local status, text = spec.run("check", dir)
    assert.are.equal(1, status)
    assert.is_truthy(text:find("twice.lua:3: error 404 is registered already at .*twice.lua:2"), text)
    local none, log = spec.start(dir)
    assert.is_nil(none)
    assert.is_truthy(log:find("error 404 is registered already", 1, true), log)
    spec.remove(dir)
  end))
end)

describe("pages for errors and after hooks", function()
  it("work together", timed(function()
    local server = assert(spec.start(folder({ ["pages.lua"] = PAGES, ["hooks.lua"] = HOOKS })))
    local r = server:get("error('on purpose')")
    assert.are.same({ 500, 500 }, { r.status, cjson.decode(r.body)[1] })
    assert.is_truthy(r.headers["x-ran"]:find("A2 A1:500:on purpose", 1, true))
    -- An after hook's error replaces a good response with the page, but not one page with another.
    r = server:get("sess:response_append('x')", { headers = { "X-A2: error('in after')" } })
    assert.are.same({ 500, 500 }, { r.status, cjson.decode(r.body)[1] })
    r = server:get("error('on purpose')", { headers = { "X-A2: error('in after')" } })
    assert.are.equal(500, r.status)
    assert.is_truthy(r.body:find("^Internal Server Error %(id"))
    -- A page that waits when the client goes.
    server:handler("fails", "error('on purpose')")
    local c = server:connect()
    c:request("GET", "/run/fails", { headers = { "X-Page: httpsrv.sleep(20)" } })
    spec.eventually(function() return server:live().sessions == 2 end)
    c:close()
    spec.eventually(function() return server:live().sessions == 1 end)
    assert.are.equal(0, (server:stop()))
  end))

  it("show the traceback to developers", timed(function()
    local server = assert(spec.start(folder({ ["pages.lua"] = PAGES }), "--dev"))
    local r = server:get("error('on purpose')")
    assert.is_truthy(cjson.decode(r.body)[5]:find("on purpose\nstack traceback:", 1, true))
    assert.are.equal(0, (server:stop()))
  end))
end)


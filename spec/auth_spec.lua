-- Who may: register_auth, the auth option of routes, and what their functions return.
local httpsrv = require "httpsrv"
local S = require "support.server"

local timed = S.timed

local SCRIPT = [[
local httpsrv = require "httpsrv"

local kept = { asked = {}, events = {} }

-- What the client says is what the auth handler does.
local function decide(sess)
  local says = sess:request_header_get("X-Auth") or "nothing"
  kept.asked[#kept.asked + 1] = sess:request_path_get()
  if says == "allow" then return true end
  if says == "user" then return true, "ann" end
  if says == "deny" then return false end
  if says == "challenge" then return nil, 'Basic realm="x"' end
  if says == "challenges" then return nil, { 'Basic realm="x"', 'Digest realm="x"' } end
  if says == "nil" then return nil end
  if says == "error" then error("no database") end
  if says == "failure" then return nil, "no such file", "ENOENT" end
  if says == "number" then return 1 end
  if says == "string" then return "yes" end
  if says == "control" then return true, "a\nb" end
  if says == "bad user" then return true, {} end
  if says == "bad challenge" then return nil, "Basic\r\nX: y" end
  if says == "no challenge" then return nil, 5 end
  if says == "redirect" then sess:redirect_like() return false end
  if says == "detach" then return (select(3, sess:detach())) == "EBADF" end
  if says == "later" then httpsrv.sleep(0.01) return true, "late" end
  if says == "later no" then httpsrv.sleep(0.01) return false end
  if says == "later error" then httpsrv.sleep(0.01) error("too late") end
  if says == "later number" then httpsrv.sleep(0.01) return 3 end
  if says == "body" then return sess:request_data_get_string() == "please" end
  if says == "ctx" then sess:ctx().from = "auth" return true end
  if says == "field" then sess:response_header_set("X-Seen", "yes") return true end
  if says == "wait" then
    kept.waiting = true
    local ok, err = pcall(httpsrv.sleep, 100)
    kept.result = tostring(ok) .. " " .. tostring(err == httpsrv.cancelled)
    return true
  end
  return nil, 'Custom realm="x"'
end

httpsrv.register_auth(nil, "/p", decide)

local function handler(sess)
  kept.handled = (kept.handled or 0) + 1
  sess:response_append(("%s %s %s"):format(sess:path_rest(), sess:request_username_get() or "nobody", sess:ctx().from or ""))
end
httpsrv.register(nil, "/p", handler)
httpsrv.register("POST", "/p/echo", function(sess)
  httpsrv.sleep(0.01)
  sess:response_append(sess:request_data_get_string())
end)
httpsrv.register("GET", "/p/get", handler)
httpsrv.register("GET", "/p/open", handler, { auth = false })
httpsrv.register("GET", "/own", handler, { auth = function() return true, "owner" end })
httpsrv.register("GET", "/own/no", handler, { auth = function() return false end, exact = true })
httpsrv.register("GET", "/kept", function(sess)
  sess:response_json({ waiting = kept.waiting, result = kept.result, handled = kept.handled, asked = #kept.asked, live = httpsrv.live() })
  if sess:request_url_get().raw_query == "clear" then kept.waiting, kept.result, kept.handled, kept.asked = nil, nil, nil, {} end
end)
httpsrv.register_auth("GET", "/redirect", function(sess)
  sess:response_status_set(303)
  sess:response_header_set("Location", "/login")
  return false
end)
]]

describe("auth handlers", function()
  local server

  setup(function() server = assert(S.start({ ["auth.lua"] = SCRIPT })) end)

  teardown(function()
    local status, killed, log = server:stop()
    assert.are.equal(0, status, tostring(killed) .. "\n" .. log:sub(-2000))
  end)

  local function ask(says, options)
    options = options or {}
    local headers = { "X-Auth: " .. says }
    for _, line in ipairs(options.headers or {}) do headers[#headers + 1] = line end
    return server:request(options.method or "GET", options.path or "/p/x", { headers = headers, body = options.body })
  end

  local function kept(clear) return httpsrv.json_decode(server:request("GET", "/kept" .. (clear and "?clear" or "")).body) end

  -- proves: httpsrv.register_auth, session:request_username_set, session:request_username_get
  it("let in with true, and say who it is", timed(function()
    assert.are.equal("x nobody ", ask("allow").body)
    assert.are.equal("x ann ", ask("user").body)
    assert.are.equal("x late ", ask("later").body)
    assert.are.equal("x nobody auth", ask("ctx").body)
    assert.are.equal("yes", ask("field").headers["x-seen"])
    assert.are.equal("x nobody ", ask("detach").body)
  end))

  it("refuse with false and nil", timed(function()
    kept(true)
    assert.are.equal(403, ask("deny").status)
    assert.are.equal(403, ask("later no").status)
    assert.are.equal(403, ask("nil").status)
    local r = ask("challenge")
    assert.are.equal(401, r.status)
    assert.are.equal('Basic realm="x"', r.headers["www-authenticate"])
    r = ask("challenges")
    assert.are.equal(401, r.status)
    assert.are.equal('Basic realm="x", Digest realm="x"', r.headers["www-authenticate"])
    r = server:request("GET", "/redirect/x")
    assert.are.equal(303, r.status)
    assert.are.equal("/login", r.headers.location)
    assert.is_nil(kept().handled)
  end))

  it("threat 33: answer 500 for an error and for what means nothing, and let nobody in", timed(function()
    kept(true)
    local n = 0
    for _, says in ipairs {
      "error", "failure", "number", "string", "control", "bad user", "bad challenge", "no challenge", "redirect", "later error",
      "later number",
    } do
      local r = ask(says)
      assert.are.equal(500, r.status, says)
      assert.is_nil(r.headers["www-authenticate"], says)
      n = n + 1
    end
    assert.is_nil(kept().handled)
    assert.are.equal(n, kept().asked)
    server:logs("no database")
    server:logs("no such file, ENOENT")
    server:logs("returned a number, true, false or nil expected")
    server:logs("too late")
  end))

  it("run before every answer, for every method", timed(function()
    assert.are.equal(403, ask("deny", { path = "/p/echo" }).status)
    assert.are.equal(403, ask("deny", { path = "/p/get", method = "OPTIONS" }).status)
    assert.are.equal(403, ask("deny", { path = "/p/get", method = "HEAD" }).status)
    assert.are.equal(403, ask("deny", { path = "/p/get", method = "DELETE" }).status)
    assert.are.equal(204, ask("allow", { path = "/p/get", method = "OPTIONS" }).status)
    assert.are.equal(405, ask("allow", { path = "/p/get", method = "DELETE" }).status)
    assert.are.equal(403, ask("deny", { path = "/x/%2e%2e//%70/x" }).status)
    assert.are.equal(200, ask("deny", { path = "/p/open" }).status)
  end))

  it("read the body and wait, and so may the handler after them", timed(function()
    assert.are.equal("please", ask("body", { method = "POST", path = "/p/echo", body = "please" }).body)
    assert.are.equal(403, ask("body", { method = "POST", path = "/p/echo", body = "now" }).status)
    assert.are.equal("later", ask("later", { method = "POST", path = "/p/echo", body = "later" }).body)
    local c = server:connect()
    c:send("POST /p/echo HTTP/1.1\r\nHost: h\r\nX-Auth: body\r\nContent-Length: 6\r\n\r\nple")
    assert.is_true(c:silent(0.05))
    c:send("ase")
    assert.are.equal("please", c:response().body)
    c:request("GET", "/p/y", { headers = { "X-Auth: later" } }) -- and the connection goes on
    assert.are.equal("y late ", c:response().body)
    c:close()
  end))

  it("are cancelled when the client goes away, and then decide nothing", timed(function()
    kept(true)
    local before = kept().live
    local c = server:connect()
    c:request("GET", "/p/x", { headers = { "X-Auth: wait" } })
    S.eventually(function() return kept().waiting end)
    c:close()
    S.eventually(function() return kept().result end)
    assert.are.equal("false true", kept().result)
    S.eventually(function() return kept().live.sessions == before.sessions and kept().live.tasks == before.tasks end)
    assert.is_nil(kept().handled)
  end))

  it("stop with the server while one waits", timed(function()
    local other = assert(S.start({ ["auth.lua"] = SCRIPT }))
    local c = other:connect()
    c:request("GET", "/p/x", { headers = { "X-Auth: wait" } })
    S.eventually(function() return httpsrv.json_decode(other:request("GET", "/kept").body).waiting end)
    other.child:kill(15)
    S.eventually(function() return other:log():find("drain", 1, true) or other:log():find("stop", 1, true) end)
    other.child:kill(15)
    local r = c:response()
    assert.is_true(r == nil or r.status == 503)
    c:close()
    local status, killed, log = other:stop()
    assert.are.equal(0, status, killed)
    assert.is_nil(log:find("not resumed", 1, true))
  end))

  -- proves: httpsrv.register
  it("of a route count as registered at its path", timed(function()
    assert.are.equal(" owner ", server:request("GET", "/own").body)
    assert.are.equal(" owner ", server:request("HEAD", "/own").headers["content-length"] and " owner ")
    assert.are.equal(403, server:request("GET", "/own/no").status)
    assert.are.equal("no/x owner ", server:request("GET", "/own/no/x").body)
  end))

  it("are asked for wrong arguments at once", timed(function()
    local function fails(code, expected)
      local dir = S.folder({ ["a.lua"] = 'local httpsrv = require "httpsrv"\n' .. code })
      local status, text = S.run("check", dir)
      S.remove(dir)
      assert.are_not.equal(0, status)
      assert.is_truthy(text:find(expected, 1, true), text)
    end
    fails('httpsrv.register_auth(1, "/", print)', "bad argument #1 to 'register_auth' (string or nil expected, got number)")
    fails('httpsrv.register_auth(nil, nil, print)', "bad argument #2 to 'register_auth' (string expected, got nil)")
    fails('httpsrv.register_auth(nil, "/", "f")', "bad argument #3 to 'register_auth' (function expected, got string)")
    fails('httpsrv.register_auth(nil, "/", print, 1)', "bad argument #4 to 'register_auth' (table of options expected, got number)")
    fails('httpsrv.register_auth(nil, "/", print, { pool = "x" })', "unknown option 'pool'")
    fails('httpsrv.register_auth(nil, "x", print)', "bad argument to 'register_auth' (method a token or nil, path beginning with '/'")
    fails('httpsrv.register(nil, "/", print, { auth = true })', "option 'auth': function, or false expected")
    fails('httpsrv.register_auth("GET", "/", print)\nhttpsrv.register_auth("GET", "/", print)', "a.lua:3: GET / is registered already at ")
  end))

  it("are listed", timed(function()
    local dir = S.folder({ ["auth.lua"] = SCRIPT })
    local status, text = S.run("routes", dir)
    S.remove(dir)
    assert.are.equal(0, status)
    local auths = text:match("\nAUTH .*$")
    assert.is_truthy(auths and auths:find("\nGET +/redirect +%S*auth.lua:%d+\n") and auths:find("\n%* +/p +%S*auth.lua:%d+\n"), text)
  end))

  it("cannot be registered while serving", timed(function()
    local r = server:request("GET", "/kept")
    assert.are.equal(200, r.status)
    assert.has_error(function() httpsrv.register_auth(nil, "/", print) end)
  end))
end)

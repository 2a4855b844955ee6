-- Redirects, cookies and forms: what a session does for web pages.
local spec = require "support.server"
local cjson = require "cjson"

local timed = spec.timed

describe("web", function()
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

  -- The error that a call raises, and that the response has neither status nor fields of it.
  local function raised(call)
    local r = server:get(("local _, e = pcall(function() %s end) sess:response_append(tostring(e))"):format(call))
    assert.are.same({ 200 }, { r.status, r.headers.location, r.headers["set-cookie"] })
    return r.body
  end

  local function cookie_lines(r)
    local lines = {}
    for _, line in ipairs(r.lines) do lines[#lines + 1] = line:match("^Set%-Cookie: (.*)\r$") end
    return lines
  end

  describe("redirect", function()
    -- proves: session:redirect
    it("has the status asked for, and Location", timed(function()
      local r = server:get('assert(sess:redirect("/there") == true)')
      assert.are.same({ 302, "/there", "" }, { r.status, r.headers.location, r.body })
      for _, status in ipairs { 301, 302, 303, 307, 308 } do
        r = server:get(('assert(sess:redirect("https://a.test/?q=%%20#f", %d))'):format(status))
        assert.are.same({ status, "https://a.test/?q=%20#f" }, { r.status, r.headers.location })
      end
    end))

    it("takes references as they are, and encodes what no URI may have", timed(function()
      for url, sent in pairs {
        ["../a?b=c#d"] = "../a?b=c#d",
        ["//other.test/"] = "//other.test/",
        ["?page=2"] = "?page=2",
        ["/\195\169"] = "/%C3%A9",
        ["/\255"] = "/%FF",
        ["/\\evil.test"] = "/%5Cevil.test",
        ['/<"^`{|}>'] = "/%3C%22%5E%60%7B%7C%7D%3E",
        ["/100%"] = "/100%25",
        ["/%4"] = "/%254",
        ["/%zz%41"] = "/%25zz%41",
        ["http://[::1]:80/!$&'()*+,;=:@-._~"] = "http://[::1]:80/!$&'()*+,;=:@-._~",
      } do
        assert.are.equal(sent, server:get(("sess:redirect(%q)"):format(url)).headers.location)
      end
    end))

    it("threat 32: control characters and blanks raise, and nothing is sent", timed(function()
      for _, c in ipairs { "\\r", "\\n", "\\0", "\\t", "\\127", "\\1", " " } do
        assert.is_truthy(raised(('sess:redirect("/a%sSet-Cookie: x=y")'):format(c)):find("bad argument #1 to 'redirect'", 1, true))
      end
      assert.is_truthy(raised('sess:redirect("")'):find("empty", 1, true))
      assert.is_truthy(raised("sess:redirect(nil)"):find("string expected, got nil", 1, true))
      for _, code in ipairs { "200", "300", "304", "305", "400", '"302"', "302.5", "0/0", "{}" } do
        assert.is_truthy(raised(('sess:redirect("/", %s)'):format(code)):find("bad argument #2 to 'redirect'", 1, true))
      end
    end))

    it("is too late when the head has been sent", timed(function()
      local r = server:get([[
        sess:response_append("x") sess:response_flush()
        sess:response_append((select(3, sess:redirect("/"))))]])
      assert.are.same({ 200, "xEBADF" }, { r.status, r.body })
    end))
  end)

  describe("cookies", function()
    local function cookies(field)
      return (ask("return sess:cookies()", { headers = { "Cookie: " .. field } }))
    end

    -- proves: session:cookies
    it("are those of the request", timed(function()
      assert.are.same({ a = "1", b = "two words", c = "", d = "e=f" }, cookies('a=1; b="two words";c=;  d = e=f ; '))
      assert.are.same({ a = "1", b = "2" }, (ask("return sess:cookies()", { headers = { "Cookie: a=1", "cookie: b=2" } })))
      assert.are.same({}, (ask("return sess:cookies()")))
    end))

    it("the first of one name counts", timed(function()
      assert.are.same({ a = "1", A = "3" }, cookies("a=1; a=2; A=3"))
      assert.are.same({ a = "" }, cookies("a=; a=2"))
    end))

    it("hostile input is left out or kept as it is", timed(function()
      assert.are.same({ ok = "1" }, cookies('novalue; =nameless; ; ;; a b=1; a,b=1; "q"=1; {}=1; \255=1; ok=1'))
      assert.are.same({ a = '"', b = '"x', c = 'x"', d = "", e = "%41", f = "\t\255\\" }, (function()
        local found = ask("local c = sess:cookies() c.f = c.f == '\\t\\255\\\\' return c",
          { headers = { 'Cookie: a="; b="x; c=x"; d=""; e=%41; f="\t\255\\"' } })
        assert.is_true(found.f)
        found.f = "\t\255\\"
        return found
      end)())
      assert.are.same({ __index = "1", __Host = "2", [""] = nil }, cookies("__index=1; __Host=2"))
    end))

    it("long blanks cost no more than other bytes", timed(function()
      local blanks = (" "):rep(4000)
      assert.are.same({ a = "b" .. blanks .. "c" }, cookies(blanks .. "x" .. blanks .. "; a=b" .. blanks .. "c"))
    end, 5))
  end)

  describe("cookie_set", function()
    local function set(arguments)
      return cookie_lines(server:get(("assert(sess:cookie_set(%s) == true)"):format(arguments)))[1]
    end

    -- proves: session:cookie_set
    it("adds a field for each cookie", timed(function()
      local r = server:get('assert(sess:cookie_set("a", "1")) assert(sess:cookie_set("b", 2, { path = "/" }))')
      assert.are.same({ "a=1", "b=2; Path=/" }, cookie_lines(r))
    end))

    it("has all attributes of RFC 6265bis", timed(function()
      assert.are.equal("n=v; Path=/p; Domain=a.test; Max-Age=3600; Expires=Sun, 06 Nov 1994 08:49:37 GMT; Secure; HttpOnly; "
        .. "SameSite=Strict",
        set([["n", "v", { path = "/p", domain = ".a.test", max_age = 3600, expires = 784111777.5, secure = true, http_only = true,
          same_site = "strict" }]]))
      assert.are.equal("n=; Max-Age=0", set('"n", "", { max_age = 0, secure = false, http_only = false }'))
      assert.are.equal("n=; Max-Age=-1; Expires=Thu, 01 Jan 1970 00:00:00 GMT", set('"n", "", { max_age = -1, expires = 0 }'))
      assert.are.equal("n=v; Expires=Fri, 31 Dec 9999 23:59:59 GMT", set('"n", "v", { expires = 253402300799 }'))
      assert.are.equal("n=v; Secure; SameSite=None", set('"n", "v", { secure = true, same_site = "None" }'))
      assert.are.equal("n=v; SameSite=Lax", set('"n", "v", { same_site = "LAX" }'))
    end))

    it("keeps what a name's prefix promises", timed(function()
      assert.are.equal("__Host-n=v; Path=/; Secure", set('"__Host-n", "v", { secure = true, path = "/" }'))
      assert.are.equal("__Secure-n=v; Domain=a.test; Secure", set('"__Secure-n", "v", { secure = true, domain = "a.test" }'))
      for _, arguments in ipairs {
        '"__Secure-n", "v"', '"__Secure-n", "v", { secure = false }', '"__secure-n", "v", {}', '"__Host-n", "v", { path = "/" }',
        '"__Host-n", "v", { secure = true }', '"__Host-n", "v", { secure = true, path = "/a" }',
        '"__HOST-n", "v", { secure = true, path = "/", domain = "a.test" }', '"n", "v", { same_site = "None" }',
        '"n", "v", { same_site = "none", secure = false }',
      } do
        assert.is_truthy(raised(("sess:cookie_set(%s)"):format(arguments)):find("bad argument #3 to 'cookie_set'", 1, true), arguments)
      end
    end))

    it("threat 32: what a cookie cannot have raises, and nothing is sent", timed(function()
      for _, name in ipairs { '""', '"a b"', '"a="', '"a;b"', '"a\\r\\nb"', '"a\\0"', '"\\255"', "nil", "1", "{}" } do
        assert.is_truthy(raised(('sess:cookie_set(%s, "v")'):format(name)):find("bad argument #1 to 'cookie_set'", 1, true), name)
      end
      for _, value in ipairs { '"a b"', '"a;b"', '"a,b"', "'\"a\"'", '"a\\\\"', '"a\\r\\nX: y"', '"\\0"', '"\\t"', '"\\127"', '"\\128"',
        "nil", "true", "{}", '("x"):rep(4096)' } do
        assert.is_truthy(raised(('sess:cookie_set("n", %s)'):format(value)):find("bad argument #2 to 'cookie_set'", 1, true), value)
      end
      for _, attrs in ipairs { "1", '"Path=/"', "{ Path = '/' }", "{ 'secure' }", "{ path = 'a' }", "{ path = '/;x' }",
        "{ path = '/\\r\\n' }",
        "{ path = '/\\200' }", "{ path = 1 }", "{ path = '/' .. ('x'):rep(1024) }", "{ domain = '' }", "{ domain = 'a;b' }",
        "{ domain = 'a..b' }", "{ domain = 'a.test\\n' }", "{ domain = 1 }", "{ max_age = '1' }", "{ max_age = 1.5 }",
        "{ max_age = 1/0 }", "{ max_age = 0/0 }", "{ expires = 'now' }", "{ expires = -1 }", "{ expires = 0/0 }", "{ expires = 1/0 }",
        "{ expires = 253402300800 }", "{ secure = 1 }", "{ http_only = 'yes' }", "{ same_site = 'Some' }", "{ same_site = true }" } do
        assert.is_truthy(raised(('sess:cookie_set("n", "v", %s)'):format(attrs)):find("bad argument #3 to 'cookie_set'", 1, true), attrs)
      end
    end))

    it("takes what a cookie can have", timed(function()
      local value = {}
      for b = 33, 126 do
        local c = string.char(b)
        if not ('",;\\'):find(c, 1, true) then value[#value + 1] = c end
      end
      value = table.concat(value)
      assert.are.equal("!#$%&'*+-.^_`|~9aZ=" .. value, set(("%q, %q"):format("!#$%&'*+-.^_`|~9aZ", value)))
      assert.are.equal(4096 + 1, #set('"n", ("x"):rep(4095)'))
    end))

    it("is too late when the head has been sent", timed(function()
      assert.are.equal("xEBADF", server:get([[
        sess:response_append("x") sess:response_flush()
        sess:response_append((select(3, sess:cookie_set("a", "b"))))]]).body)
    end))

    it("comes back as it was", timed(function()
      local line = set('"n", "a=b&c"')
      assert.are.same({ n = "a=b&c" }, (ask("return sess:cookies()", { headers = { "Cookie: " .. line } })))
    end))
  end)

  describe("request_form", function()
    local URLENCODED = "Content-Type: application/x-www-form-urlencoded"

    local function form(body, kind, code)
      return ask(code or "local f, m, c = sess:request_form() return f or httpsrv.null, m, c",
        { method = "POST", headers = { kind or URLENCODED }, body = body })
    end

    -- proves: session:request_form
    it("gives lists, as request_args does", timed(function()
      assert.are.same({ a = { "1", "3" }, b = { "x y" }, ["k k"] = { "" }, flag = { "" }, e = { "a=b" } },
        (form("a=1&b=x+y&a=3&k%20k=&flag&&e=a=b&")))
      assert.are.same({ a = { "%zz", "é\r\n" } }, (form("a=%zz&a=%C3%A9%0D%0A")))
      assert.are.same({}, (form("")))
      assert.are.same({ a = { "1" } }, (form("a=1", "Content-Type: Application/X-WWW-Form-Urlencoded; Charset=UTF-8")))
    end))

    it("recodes ISO-8859-1, and refuses what else there is", timed(function()
      assert.are.same({ ["ä"] = { "éÿ", "a" } }, (form("%E4=%E9%FF&%E4=a", URLENCODED .. "; charset=iso-8859-1")))
      assert.are.same({ cjson.null, "the charset koi8-r is not supported", "ENOTSUP" }, { form("a=1", URLENCODED .. "; charset=koi8-r") })
    end))

    it("is for urlencoded bodies", timed(function()
      for kind, code in pairs {
        ["multipart/form-data; boundary=x"] = "ENOTSUP", ["Multipart/Form-Data"] = "ENOTSUP", ["text/plain"] = "EINVAL",
        ["application/json"] = "EINVAL", ["application/x-www-form-urlencodedx"] = "EINVAL",
      } do
        local value, msg, got = form("a=1", "Content-Type: " .. kind)
        assert.are.same({ cjson.null, "string", code }, { value, type(msg), got })
      end
      local value, _, got = ask("local f, m, c = sess:request_form() return f or httpsrv.null, m, c", { method = "POST", body = "a=1" })
      assert.are.same({ cjson.null, "EINVAL" }, { value, got })
      -- The body is still there.
      assert.are.same({ "ENOTSUP", "--x" }, { form("--x", "Content-Type: multipart/form-data; boundary=x",
        "return (select(3, sess:request_form())), sess:request_data_get_string()") })
    end))

    it("has limits", timed(function()
      local call = "local f, m, c = sess:request_form(%s) return f or httpsrv.null, m, c"
      local function code(body, options) return (select(3, form(body, nil, call:format(options or "")))) end
      assert.is_nil(code(("a&"):rep(1000)))
      assert.are.equal("EMSGSIZE", code(("a&"):rep(1001)))
      assert.is_nil(code("a&b", "{ max_fields = 2 }"))
      assert.are.equal("EMSGSIZE", code("a&b&c", "{ max_fields = 2 }"))
      assert.is_nil(code("a=1", "{ max_bytes = 3 }"))
      assert.are.equal("EMSGSIZE", code("a=12", "{ max_bytes = 3 }"))
      assert.are.equal("EMSGSIZE", code("a=" .. ("x"):rep(1024 * 1024)))
      assert.is_nil(code(("&"):rep(100000))) -- no fields at all
      assert.is_truthy(raised("sess:request_form(1)"):find("table of options expected", 1, true))
      assert.is_truthy(raised("sess:request_form({ max_bytes = 'x' })"):find("number expected", 1, true))
    end))

    it("has limits for a body of unknown length", timed(function()
      server:handler("chunked", "local f, m, c = sess:request_form({ max_bytes = 3 }) sess:response_append(c or f.a[1])")
      for body, result in pairs { ["3\r\na=1\r\n"] = "1", ["4\r\na=12\r\n"] = "EMSGSIZE" } do
        local c = server:connect()
        c:send("POST /run/chunked HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n", URLENCODED, "\r\n\r\n", body, "0\r\n\r\n")
        assert.are.equal(result, c:response().body)
        c:close()
      end
    end))

    it("waits for a body that comes byte by byte", timed(function()
      server:handler("late", "sess:response_json(sess:request_form())")
      local c = server:connect()
      c:send("POST /run/late HTTP/1.1\r\nHost: h\r\nContent-Length: 7\r\n", URLENCODED, "\r\n\r\n")
      for byte in ("a=%C3%A9"):sub(1, 7):gmatch(".") do
        c:send(byte)
      end
      assert.are.same({ a = { "%C3%A" } }, cjson.decode(c:response().body))
      c:close()
    end))

    it("threat 31: names are data", timed(function()
      assert.are.same({ ["../../etc/passwd"] = { "/x" }, n = { "%00" } }, (form("..%2F..%2Fetc%2Fpasswd=%2Fx&n=%00")))
    end))
  end)
end)

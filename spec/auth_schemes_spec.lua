-- httpsrv.auth: Basic and Digest, as curl and as hostile clients speak them.
local S = require "support.server"

local timed = S.timed

local SCRIPT = [[
local httpsrv = require "httpsrv"
local auth = require "httpsrv.auth"

local function who(sess) sess:response_append("hello " .. tostring(sess:request_username_get())) end
for path, handler in pairs {
  ["/table"] = auth.basic { realm = "a \"b\"", users = { ann = "secret", ["J\195\188rgen"] = "p\195\164ss:w" } },
  ["/file"] = auth.basic { realm = "f", file = arg_dir .. "/users" },
  ["/check"] = auth.basic { realm = "c", check = function(name, password)
    httpsrv.sleep(0.01)
    if name == "odd" then return 1 end
    if name == "broken" then error("no database") end
    return name == "bob" and password == "x"
  end },
  ["/digest"] = auth.digest { realm = "d", users = { ann = "secret" } },
  ["/old"] = auth.digest { realm = "d", users = { ann = "secret" }, nonce_age = 0 },
} do
  httpsrv.register(nil, path, who, { auth = handler })
end
]]
-- "secret", by openssl passwd -6; and an account that is locked.
local HASH = "$6$abcdefgh$ltjgWl6579NluT/Vi1nwEvcil.G5Nbc4NiXZaNGStk8PSwGfQv72N2CKPPrVACtLtip/cZ/1GM/O6IND4WQhG."

describe("httpsrv.auth", function()
  local server, dir

  setup(function()
    dir = S.folder({ users = "# people\nann:" .. HASH .. "\nlocked:*\nempty:\n" })
    server = assert(S.start({ ["auth.lua"] = SCRIPT:gsub("arg_dir", ("%q"):format(dir)) }))
  end)

  teardown(function()
    local status, killed, log = server:stop()
    S.remove(dir)
    assert.are.equal(0, status, tostring(killed) .. "\n" .. log:sub(-2000))
  end)

  -- What curl gets: status and body.
  local function curl(path, ...)
    local _, text = S.shell('socket=$1 path=$2; shift 2; curl -s -o - -w " %{http_code}" --unix-socket "$socket" "$@" "http://h$path"',
      server.socket, path, ...)
    return text
  end

  local function with(path, credentials)
    return server:request("GET", path, { headers = { "Authorization: " .. credentials } })
  end

  -- proves: httpsrv.auth.basic
  it("Basic lets in whom the table knows", timed(function()
    assert.are.equal("hello ann 200", curl("/table", "-u", "ann:secret"))
    assert.are.equal("hello J\195\188rgen 200", curl("/table", "-u", "J\195\188rgen:p\195\164ss:w"))
    assert.are.equal("Unauthorized\n 401", curl("/table", "-u", "ann:secre"))
    assert.are.equal("Unauthorized\n 401", curl("/table", "-u", "bob:secret"))
    assert.are.equal("Unauthorized\n 401", curl("/table", "-u", "ann:"))
    local r = server:request("GET", "/table")
    assert.are.equal(401, r.status)
    assert.are.equal('Basic realm="a \\"b\\"", charset="UTF-8"', r.headers["www-authenticate"])
  end))

  it("Basic asks a file with crypt hashes, and again when it has changed", timed(function()
    assert.are.equal("hello ann 200", curl("/file", "-u", "ann:secret"))
    assert.are.equal("Unauthorized\n 401", curl("/file", "-u", "ann:wrong"))
    assert.are.equal("Unauthorized\n 401", curl("/file", "-u", "nobody:secret"))
    assert.are.equal("Unauthorized\n 401", curl("/file", "-u", "locked:*"))
    assert.are.equal("Unauthorized\n 401", curl("/file", "-u", "locked:"))
    assert.are.equal("Unauthorized\n 401", curl("/file", "-u", "empty:"))
    assert.are.equal("Unauthorized\n 401", curl("/file", "-u", "ann:" .. ("x"):rep(2000)))
    local file = assert(io.open(dir .. "/users", "w"))
    file:write("zoe:" .. HASH .. "\n")
    file:close()
    assert.are.equal("hello zoe 200", curl("/file", "-u", "zoe:secret"))
    assert.are.equal("Unauthorized\n 401", curl("/file", "-u", "ann:secret"))
    S.shell('rm "$1"', dir .. "/users")
    assert.are.equal(500, with("/file", "Basic em9lOnNlY3JldA==").status)
  end))

  it("Basic asks a function, which has to say true", timed(function()
    assert.are.equal("hello bob 200", curl("/check", "-u", "bob:x"))
    assert.are.equal("Unauthorized\n 401", curl("/check", "-u", "bob:y"))
    assert.are.equal("Unauthorized\n 401", curl("/check", "-u", "odd:x"))
    assert.are.equal(500, with("/check", "Basic YnJva2VuOng=").status)
  end))

  it("Basic refuses what is malformed", timed(function()
    for _, text in ipairs {
      "Basic", "Basic ", "Basic =", "Basic YW5uOnNlY3JldA", "Basic YW5uOnNlY3JldA==x", "Basic YW5u", "Basic *", "Bearer YW5uOnNlY3JldA==",
      'Basic YW5uOnNlY3JldA==, Basic YW5uOnNlY3JldA==', "Basic YW5u\tOnNlY3JldA==", "YW5uOnNlY3JldA==", "Basic a=b", ("x"):rep(9000),
    } do
      assert.are.equal(401, with("/table", text).status, text)
    end
    assert.are.equal(200, with("/table", "bASIC   YW5uOnNlY3JldA==").status)
  end))

  -- proves: httpsrv.auth.digest
  it("Digest lets in whom the table knows", timed(function()
    assert.are.equal("hello ann 200", curl("/digest/x?y=1", "--digest", "-u", "ann:secret"))
    assert.are.equal("Unauthorized\n 401", curl("/digest", "--digest", "-u", "ann:wrong"))
    assert.are.equal("Unauthorized\n 401", curl("/digest", "--digest", "-u", "bob:secret"))
    local r = server:request("GET", "/digest")
    assert.is_truthy(r.headers["www-authenticate"]:find(
      '^Digest realm="d", qop="auth", algorithm=SHA%-256, nonce="[^"]+", opaque="%x+", charset=UTF%-8$'))
  end))

  local function sha256(text)
    local _, out = S.shell('printf %s "$1" | sha256sum', text)
    return out:match("^%x+")
  end

  local function answer(path, o)
    local nonce = o.nonce or server:request("GET", path).headers["www-authenticate"]:match('nonce="([^"]+)"')
    local nc, uri = o.nc or "00000001", o.uri or path
    local response = sha256(table.concat({
      sha256("ann:d:secret"), nonce, nc, "c", "auth", sha256((o.method or "GET") .. ":" .. uri),
    }, ":"))
    return ('Digest username="ann", realm="d", nonce="%s", uri="%s", algorithm=SHA-256, qop=auth, nc=%s, cnonce="c", response="%s"')
      :format(nonce, uri, nc, o.response or response), nonce
  end

  it("Digest takes each count of a nonce once, and says what is stale", timed(function()
    local text, nonce = answer("/digest", {})
    assert.are.equal(200, with("/digest", text).status)
    local r = with("/digest", text)
    assert.are.equal(401, r.status)
    assert.is_truthy(r.headers["www-authenticate"]:find("stale=true", 1, true))
    assert.are.equal(200, with("/digest", (answer("/digest", { nonce = nonce, nc = "0000000a" }))).status)
    assert.are.equal(401, with("/digest", (answer("/digest", { nonce = nonce, nc = "00000009" }))).status)
    r = with("/old", (answer("/old", {})))
    assert.are.equal(401, r.status)
    assert.is_truthy(r.headers["www-authenticate"]:find("stale=true", 1, true))
  end))

  it("Digest refuses what does not fit together", timed(function()
    local good, nonce = answer("/digest", {})
    for what, text in pairs {
      response = answer("/digest", { response = ("0"):rep(64) }),
      method = answer("/digest", { method = "POST" }),
      uri = answer("/digest", { uri = "/other" }),
      nonce = answer("/digest", { nonce = "0-0-0" }),
      forged = answer("/digest", { nonce = nonce:gsub("^%x", "f") }),
      count = answer("/digest", { nc = "1" }),
      algorithm = good:gsub("SHA%-256", "MD5"),
      realm = good:gsub('realm="d"', 'realm="e"'),
      qop = good:gsub("qop=auth", "qop=auth-int"),
      twice = good .. ', username="bob"',
      unclosed = good:gsub('"$', ""),
      nothing = "Digest",
    } do
      assert.are.equal(401, with("/digest", text).status, what)
    end
    assert.are.equal(200, with("/digest", good).status)
  end))

  -- proves: httpsrv.auth.parse
  it("credentials are read strictly", function()
    local parse = require("httpsrv.auth").parse
    assert.are.same({ "basic", "abc==" }, { parse("Basic abc==") })
    assert.are.same({ "x", nil, { a = "b", c = 'd"\\' } }, { parse('X a=b, C = "d\\"\\\\"') })
    assert.are.same({ "x", nil, { a = "" } }, { parse('X ,, a="" ,') })
    assert.are.same({ "x", nil, {} }, { parse("X") })
    for _, bad in ipairs { "", " X", "X a", 'X a="b', 'X a="b\\', "X a=b c=d", "X a=b, a=c", "X =b", 'X a="b"c', "X (a)", "X a=b;c=d" } do
      assert.is_nil((parse(bad)) and select(3, parse(bad)), bad)
    end
    local whole = 'Digest a="b\\"c", d=e, f="g"'
    for n = 0, #whole do parse(whole:sub(1, n)) end -- ends anywhere
  end)

  it("wrong options are refused at once", function()
    local auth = require "httpsrv.auth"
    assert.has_error(function() auth.basic { realm = "x" } end)
    assert.has_error(function() auth.basic { realm = "x", users = {}, file = "f" } end)
    assert.has_error(function() auth.basic { users = {} } end)
    assert.has_error(function() auth.basic { realm = "a\nb", users = {} } end)
    assert.has_error(function() auth.digest { realm = "x", user = {} } end)
    assert.has_error(function() auth.digest { realm = "x", users = "f" } end)
  end)
end)

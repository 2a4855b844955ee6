-- What the examples do, as their clients see it: each is served as "make run" serves them.
local support = require "support.server"
local httpsrv = require "httpsrv"
local cjson = require "cjson"

-- A spec that has to end in time.
local function timely(name, fn)
  it(name, support.timed(fn))
end

describe("examples", function()
  local server

  setup(function()
    server = assert(support.start("examples"))
  end)

  teardown(function()
    local status, _, log = server:stop()
    assert.are.equal(0, status, log)
  end)

  after_each(function()
    assert.is_nil(server:log():match("error[^\n]*"))
  end)

  local function request(method, target, body)
    local r = server:request(method, target, { body = body })
    assert.is_nil(r.broken)
    return r.status, r.body, r.headers
  end

  local function get(target)
    return request("GET", target)
  end

  -- Sends a request whose response is read as it comes.
  local function start(method, target, ...)
    local c = server:connect()
    assert(c:request(method, target, { headers = { ... } }))
    return c
  end

  local function send_chunk(c, text)
    assert(c:send(("%x\r\n"):format(#text), text, "\r\n"))
  end

  local function json(method, target, value)
    local status, body, headers = request(method, target, value and cjson.encode(value))
    return status, body ~= "" and cjson.decode(body) or nil, headers
  end

  describe("index", function()
    local _, page, headers

    before_each(function()
      _, page, headers = get("/")
    end)

    timely("lists each file of the folder with its code", function()
      local _, names = support.shell("cd examples && ls *.lua")
      local count = 0
      for name in names:gmatch("[^\n]+") do
        count = count + 1
        assert.is_truthy(page:find(("<summary>%s, "):format(name), 1, true), name)
        local file = assert(io.open("examples/" .. name))
        local title = file:read("*l"):match("^%-%- (.+)$")
        file:close()
        assert.is_truthy(page:find((title:gsub("'", "&#39;")), 1, true), title)
      end
      assert.is_true(count >= 9)
    end)

    timely("links only to what is there", function()
      local count = 0
      for target in page:gmatch('<a href="(/[^"]*)"') do
        local status = get((target:gsub("&amp;", "&")))
        assert.are.equal("200 " .. target, status .. " " .. target)
        count = count + 1
      end
      assert.is_true(count >= 10)
    end)

    timely("is one page that needs nothing else", function()
      assert.are.equal("text/html; charset=utf-8", headers["content-type"])
      assert.is_nil(page:find("<link[^>]+href=\"[^d]"))
      assert.is_nil(page:find("<%a+[^>]* src="))
      assert.is_nil(page:find("@import", 1, true))
      assert.is_nil(page:find("url(", 1, true))
    end)

    timely("shows commands with the address by which it was reached", function()
      assert.is_truthy(page:find("curl http://example.test/hello\n", 1, true))
      assert.is_nil(page:find("curl http://127.0.0.1", 1, true))
    end)

    timely("shows code as text", function()
      assert.is_truthy(page:find('<span class="k">local</span> httpsrv = require <span class="s">&quot;httpsrv&quot;</span>', 1, true))
      assert.is_nil(page:find("<script", 1, true))
    end)

    timely("is the answer for the root alone", function()
      assert.are.equal(404, (get("/nothing")))
    end)
  end)

  describe("hello", function()
    timely("greets the world, a path, an argument", function()
      assert.are.same({ 200, "Hello, World!\n" }, { (get("/hello")), (select(2, get("/hello"))) })
      assert.are.equal("Hello, moon!\n", (select(2, get("/hello/moon"))))
      assert.are.equal("Hello, Ada Lovelace!\n", (select(2, get("/hello?name=Ada+Lovelace"))))
    end)

    timely("is for GET", function()
      assert.are.equal(405, (request("POST", "/hello", "x")))
    end)
  end)

  describe("notes", function()
    timely("are made, read, changed and deleted", function()
      local status, note, headers = json("POST", "/notes", { text = "buy milk" })
      assert.are.equal(201, status)
      assert.are.same({ id = note.id, text = "buy milk", done = false }, note)
      local place = "/notes/" .. note.id
      assert.are.equal(place, headers.location)
      assert.are.equal("application/json", headers["content-type"])

      status, note = json("PUT", place, { text = "buy oat milk", done = true })
      assert.are.equal(200, status)
      assert.is_true(note.done)
      assert.are.same(note, (select(2, json("GET", place))))

      local _, list = json("GET", "/notes")
      assert.are.same(note, list[#list])

      assert.are.equal(204, (json("DELETE", place)))
      assert.are.equal(404, (json("GET", place)))
      assert.are.equal(404, (json("DELETE", place)))
    end)

    timely("none left are an empty list", function()
      local _, list = json("GET", "/notes")
      for _, note in ipairs(list) do
        json("DELETE", "/notes/" .. note.id)
      end
      assert.are.equal("[]", (select(2, get("/notes"))))
    end)

    timely("refuse what is no note", function()
      for _, body in ipairs({ "{", "[]", "5", "null", '{"text": 5}', "" }) do
        local status, answer = request("POST", "/notes", body)
        assert.are.equal("400 " .. body, status .. " " .. body)
        assert.is_string(cjson.decode(answer).error)
      end
      assert.are.equal(413, (request("POST", "/notes", ("x"):rep(70000))))
    end)
  end)

  describe("files", function()
    local DATA = {}
    for i = 1, 200000 do
      DATA[i] = ("%015x\n"):format(i * 2654435761)
    end
    DATA = table.concat(DATA)

    local function names()
      local found = {}
      for _, file in ipairs(select(2, json("GET", "/files"))) do
        found[file.name] = file.size
      end
      return found
    end

    timely("come back as they were sent, to several at once", function()
      local status = request("PUT", "/files/one.bin", DATA)
      assert.are.equal(201, status)
      assert.are.equal(#DATA, names()["one.bin"])

      local slow = start("GET", "/files/one.bin")
      local headers = slow:head().headers
      assert.are.equal(tostring(#DATA), headers["content-length"])
      assert.are.equal("attachment", headers["content-disposition"])
      assert.is_true(select(2, get("/files/one.bin")) == DATA)
      assert.are.equal(204, (request("DELETE", "/files/one.bin")))
      assert.is_true(slow.io:read(#DATA) == DATA)
      slow:close()
      assert.are.equal(404, (get("/files/one.bin")))
      assert.are.equal(404, (request("DELETE", "/files/one.bin")))
    end)

    timely("of unknown length are taken too, and replaced", function()
      for _, text in ipairs({ "first", "second one" }) do
        local c = start("PUT", "/files/two", "Transfer-Encoding: chunked")
        for letter in text:gmatch(".") do
          send_chunk(c, letter)
        end
        send_chunk(c, "")
        local r = c:response()
        c:close()
        assert.are.equal(text == "first" and 201 or 200, r.status)
        assert.are.equal(#text, cjson.decode(r.body).size)
        assert.are.equal(text, (select(2, get("/files/two"))))
      end
      request("DELETE", "/files/two")
    end)

    timely("need a name, and there is a limit to their number", function()
      assert.are.equal(400, (request("PUT", "/files/", "x")))
      for i = 1, 16 do
        assert.are.equal(201, (request("PUT", "/files/n" .. i, "x")))
      end
      assert.are.equal(507, (request("PUT", "/files/n17", "x")))
      assert.are.equal(200, (request("PUT", "/files/n1", "y")))
      assert.are.equal(204, (request("DELETE", "/files/n1")))

      -- Two that are on their way at once: there is room for one.
      local one, two = start("PUT", "/files/n1", "Transfer-Encoding: chunked"), start("PUT", "/files/n17", "Transfer-Encoding: chunked")
      send_chunk(one, "x")
      send_chunk(two, "x")
      send_chunk(one, "")
      assert.are.equal(201, one:response().status)
      send_chunk(two, "")
      assert.are.equal(507, two:response().status)
      one:close()
      two:close()

      for i = 1, 16 do
        assert.are.equal(204, (request("DELETE", "/files/n" .. i)))
      end
      assert.are.equal("[]", (select(2, get("/files"))))
    end)

    timely("that break off are not kept", function()
      local c = start("PUT", "/files/half", "Content-Length: 1000")
      assert(c:send("half"))
      httpsrv.sleep(0.1)
      c:close()
      httpsrv.sleep(0.1)
      assert.is_nil(names().half)
    end)
  end)

  describe("upper", function()
    timely("answers while the upload goes on", function()
      local c = start("POST", "/upper", "Transfer-Encoding: chunked")
      send_chunk(c, "hello ")
      assert.are.equal(200, c:head().status)
      assert.are.equal("HELLO ", c:chunk())
      send_chunk(c, "there")
      assert.are.equal("THERE", c:chunk())
      send_chunk(c, "")
      assert.are.same({ nil, nil }, { c:chunk() })
      c:close()
    end)

    timely("takes a body of any length", function()
      local script = [[
        a=$(head -c 50000000 /dev/zero | tr '\0' a | curl -sT - --unix-socket "$1" http://h/upper | cksum)
        b=$(head -c 50000000 /dev/zero | tr '\0' A | cksum)
        [ "$a" = "$b" ]
      ]]
      assert.are.equal(0, (support.shell(script, server.socket)))
    end)
  end)

  describe("count", function()
    timely("counts", function()
      local status, body = get("/count?to=4")
      assert.are.same({ 200, "1\n2\n3\n4\n" }, { status, body })
      assert.are.equal("1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n", (select(2, get("/count?to=many"))))
      assert.are.equal("", (select(2, get("/count?to=0"))))
    end)

    timely("to a million", function()
      local _, body = get("/count?to=1000000")
      assert.are.equal(6888896, #body)
      assert.are.equal("\n1000000\n", body:sub(-9))
    end)

    timely("sends each line when it is written", function()
      local c = start("GET", "/count?to=3&pause=0.2")
      c:head()
      assert.are.equal("1\n", c:chunk())
      local begun = httpsrv.now()
      assert.are.equal("2\n", c:chunk())
      assert.is_true(httpsrv.now() - begun > 0.1)
      assert.are.equal("3\n", c:chunk())
      c:close()
    end)
  end)

  describe("clock", function()
    local function event(c)
      local text = ""
      repeat
        text = text .. assert(c:chunk(), "the stream ended")
      until text:find("\n\n", 1, true)
      return cjson.decode(text:match("^data: (%b{})\n\n$"))
    end

    timely("has a page that listens", function()
      local status, page, headers = get("/clock")
      assert.are.same({ 200, "text/html; charset=utf-8" }, { status, headers["content-type"] })
      assert.is_truthy(page:find('new EventSource("/clock/events")', 1, true))
    end)

    timely("sends an event each second, and knows who watches", function()
      local one = start("GET", "/clock/events")
      local head = one:head()
      assert.are.same({ 200, "text/event-stream" }, { head.status, head.headers["content-type"] })
      local first = event(one)
      assert.is_truthy(first.time:find("^%d%d:%d%d:%d%d$"))
      assert.are.equal(1, first.watching)

      local two = start("GET", "/clock/events")
      two:head()
      assert.are.equal(2, event(two).watching)
      two:close()
      -- The one that left is seen within the next event, or the one after.
      local watching
      for _ = 1, 3 do
        watching = event(one).watching
        if watching == 1 then
          break
        end
      end
      assert.are.equal(1, watching)
      one:close()
    end)
  end)

  describe("child", function()
    timely("gives its output as it comes", function()
      local c = start("GET", "/child")
      c:head()
      local process = c:chunk():match("^line 1 of process (%d+)\n$")
      assert.is_string(process)
      c:close()

      -- The client is gone, and so is the program soon.
      support.eventually(function()
        return support.shell('kill -0 "$1" 2>/dev/null', process) ~= 0
      end)
    end)

    timely("is read to its end", function()
      local status, body = get("/child")
      assert.are.equal(200, status)
      assert.are.equal(5, (select(2, body:gsub("line %d of process %d+\n", ""))))
    end)

    timely("takes the upload as its input", function()
      local _, body = request("POST", "/sort", "pear\napple\nfig\n")
      assert.are.equal("apple\nfig\npear\n", body)
      assert.are.equal("", (select(2, request("PUT", "/sort", ""))))

      local lines = {}
      for i = 1, 100000 do
        lines[i] = ("%06d\n"):format(100000 - i)
      end
      _, body = request("POST", "/sort", table.concat(lines))
      table.sort(lines)
      assert.is_true(body == table.concat(lines))
    end)
  end)

  describe("chat", function()
    local function last()
      -- A number beyond the last is answered at once.
      return select(2, json("GET", "/chat/messages?since=1000000000")).last
    end

    timely("answers those who wait when there is something new", function()
      local since = last()
      if since == 0 then
        json("POST", "/chat/messages", { name = "a", text = "first" })
        since = 1
      end
      local answers = httpsrv.queue()
      for _ = 1, 3 do
        httpsrv.spawn(function()
          answers:put((select(2, json("GET", "/chat/messages?since=" .. since))))
        end)
      end
      assert.is_nil((answers:get(httpsrv.now() + 0.3)))

      assert.are.equal(204, (json("POST", "/chat/messages", { name = "Ada", text = "<b>hello</b>" })))
      for _ = 1, 3 do
        local answer = answers:get(httpsrv.now() + 5)
        assert.are.same({ last = since + 1, messages = { { name = "Ada", text = "<b>hello</b>" } } }, answer)
      end
    end)

    timely("tells at once what is old already", function()
      json("POST", "/chat/messages", { name = "Ada", text = "one" })
      local _, all = json("GET", "/chat/messages?since=0")
      assert.are.equal("one", all.messages[#all.messages].text)
      assert.are.same(all.messages, select(2, json("GET", "/chat/messages?since=1000000000")).messages)
    end)

    timely("refuses what is no message", function()
      local status, body = request("POST", "/chat/messages", '{"name": "Ada"}')
      assert.are.equal(400, status)
      assert.is_truthy(body:find("a message looks like", 1, true))
      assert.are.equal(413, (request("POST", "/chat/messages", ("x"):rep(5000))))
    end)

    timely("has a page", function()
      local status, page = get("/chat")
      assert.are.equal(200, status)
      assert.is_truthy(page:find("/chat/messages?since=", 1, true))
    end)
  end)

  describe("threads", function()
    it("block and compute beside the loop", function()
      assert.are.equal("done in a thread: true\n", server:request("GET", "/threads/block").body)
      assert.are.equal("9592 primes up to 100000\n", server:request("GET", "/threads/primes/100000").body)
      assert.are.equal("1 of 2 threads started, 0 busy, 0 waiting, 1 done\n", server:request("GET", "/threads").body)
    end)
  end)

  describe("guests", function()
    local FORM = "Content-Type: application/x-www-form-urlencoded"
    local BROWSER = "Accept: text/html,*/*"

    local function post(body, kind)
      return server:request("POST", "/guests", { body = body, headers = { kind or FORM } })
    end

    timely("a form leads back to the page, which shows it and knows the name", function()
      local r = post("name=+%C3%89va+%3Cb%3E&text=I+was+here")
      assert.are.same({ 303, "/guests", "no-store" }, { r.status, r.headers.location, r.headers["cache-control"] })
      local cookie, attributes = r.headers["set-cookie"]:match("^(guest=[^;]+)(.*)$")
      assert.are.equal("; Path=/guests; Max-Age=2592000; HttpOnly; SameSite=Lax", attributes)
      r = server:request("GET", "/guests", { headers = { "Cookie: " .. cookie } })
      assert.is_truthy(r.body:find("<li><b>\195\137va &lt;b&gt;</b> I was here</li>", 1, true), r.body)
      assert.is_truthy(r.body:find('value="\195\137va &lt;b&gt;"', 1, true))
      assert.is_truthy(server:request("GET", "/guests").body:find('value=""', 1, true))
    end)

    timely("what is no entry is refused", function()
      for _, body in ipairs { "", "name=Ada", "name=Ada&text=", "name=+&text=x", "name=" .. ("x"):rep(41) .. "&text=x" } do
        assert.are.equal(400, post(body).status)
      end
      assert.are.equal(400, post("name=Ada&text=x", "Content-Type: text/plain").status)
      assert.are.equal(413, post("text=" .. ("x"):rep(5000)).status)
    end)

    timely("what is not there has a page, and two words for programs", function()
      local r = server:request("GET", "/guests/%3Cnobody%3E", { headers = { BROWSER } })
      assert.are.equal(404, r.status)
      assert.is_truthy(r.body:find("There is nothing at <code>/guests/&lt;nobody&gt;</code>", 1, true), r.body)
      r = server:request("GET", "/guests/nobody")
      assert.are.same({ 404, "Not Found", "text/plain" }, { r.status, r.body, r.headers["content-type"] })
    end)
  end)
end)

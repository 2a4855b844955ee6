-- The command as its users meet it: check, routes, lua, what goes wrong at start, signals.
-- Everything runs in a folder of its own, through the shell, with the program that runs this spec.

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

describe("the command", function()
  local dir

  -- Runs a shell script in the folder; "$httpsrv" is the program. Returns its exit status and what it printed, stderr too.
  local function sh(script)
    local p = assert(io.popen("httpsrv=$(readlink /proc/$PPID/exe); export httpsrv; cd " .. quote(dir) ..
      " || exit 9; ( " .. script .. "\n) 2>&1 </dev/null; echo \"status=$?\""))
    local out = p:read("*a")
    p:close()
    local text, status = out:match("^(.*)status=(%d+)\n$")
    return tonumber(status), text
  end

  local function file(name, text)
    local f = assert(io.open(dir .. "/" .. name, "w"))
    f:write(text)
    f:close()
  end

  local function read(name)
    local f = assert(io.open(dir .. "/" .. name))
    local text = f:read("*a")
    f:close()
    return text
  end

  -- Starts "httpsrv serve ARGS" in the background and waits until it serves. Returns its process id and its first address.
  local function serve(args)
    local status, out = sh([[
      "$httpsrv" serve ]] .. args .. [[ >log 2>&1 &
      pid=$!
      for i in $(seq 1000); do
        grep -q ' serves ' log && break
        kill -0 $pid || break
        sleep 0.01
      done
      echo $pid >pid
      cat log]])
    assert.equal(0, status)
    local address = out:match(" serves [^\n]* at ([^%s,]+)[^\n]*\n")
    assert.truthy(address, out)
    return tonumber(read("pid")), (address:gsub("/$", ""))
  end

  -- Waits until the process has ended; nobody may have asked for its status yet.
  local function gone(pid)
    return sh("for i in $(seq 1000); do grep -qs '^State:[^Z]*$' /proc/" .. pid .. "/status || exit 0; sleep 0.01; done; exit 1") == 0
  end

  local hello = [[
    local httpsrv = require "httpsrv"
    httpsrv.register("GET", "/hello", function(sess)
      sess:response_status_set_std(200, "OK", "text/plain")
      sess:response_append("hello\n")
    end)
    httpsrv.register("GET", "/slow", function(sess)
      io.open("begun", "w"):close()
      httpsrv.sleep(0.6)
      sess:response_append("slow\n")
    end)
    httpsrv.register("GET", "/fail", function() error("on purpose") end)
  ]]

  before_each(function()
    local p = assert(io.popen("mktemp -d"))
    dir = p:read("*l")
    p:close()
    assert(sh("mkdir app") == 0)
  end)

  after_each(function()
    sh("[ ! -f pid ] || kill -9 $(cat pid) 2>/dev/null")
    os.execute("rm -rf " .. quote(dir))
  end)

  describe("version and help", function()
    it("says its version", function()
      local status, out = sh('"$httpsrv" version && "$httpsrv" --version')
      assert.equal(0, status)
      local first, second = out:match("^httpsrv (%d+%.%d+%.%d+)\nhttpsrv (%S+)\n$")
      assert.truthy(first, out)
      assert.equal(first, second)
    end)

    it("explains itself and each command", function()
      local status, out = sh('"$httpsrv" --help')
      assert.equal(0, status)
      for _, name in ipairs({ "serve", "check", "routes", "lua", "ctl", "version" }) do
        assert.truthy(out:find("\n  " .. name .. " ", 1, true), name)
        local code, text = sh('"$httpsrv" ' .. name .. " --help")
        assert.equal(0, code)
        assert.truthy(text:find("^Usage: httpsrv " .. name), text)
      end
      local _, text = sh('"$httpsrv" help serve')
      assert.truthy(text:find("--drain-timeout SECONDS", 1, true))
      assert.truthy(text:find("(30)", 1, true))
    end)

    it("fails without a command", function()
      local status, out = sh('"$httpsrv"')
      assert.equal(2, status)
      assert.truthy(out:find("Usage: httpsrv COMMAND", 1, true))
    end)
  end)

  describe("check", function()
    it("is silent about what is right", function()
      file("app/hello.lua", hello)
      file("app/config.lua", "return { listen = '8081', max_body = '1M' }")
      local status, out = sh('"$httpsrv" check app')
      assert.equal("app: 3 routes, no problems\n", out)
      assert.equal(0, status)
      status, out = sh('"$httpsrv" check app/hello.lua')
      assert.equal("app/hello.lua: 3 routes, no problems\n", out)
      assert.equal(0, status)
    end)

    it("lists problems of all kinds in one run", function()
      file("app/a.lua", "local x = 1\nlocal y = = 2\n")
      file("app/b.lua", "\n\nerror('does not load')\n")
      file("app/c.lua", "local httpsrv = require 'httpsrv'\nhttpsrv.register('GET', '/c', print)\nhttpsrv.register('GET', '/c/', print)\n")
      file("app/d.lua", "\n\n\nstray = 1\n")
      file("app/e.lua", "local function f() another = 2 end\nreturn f\n")
      file("app/f.lua", "local t = nil\nprint(t.x)\n")
      file("app/config.lua", "return {\n  max_body = '1M',\n  drain_timout = 3,\n  keep_alive = 'long',\n}\n")
      local status, out = sh('"$httpsrv" check app')
      assert.equal(1, status)
      assert.truthy(out:find("config.lua:3: unknown setting 'drain_timout' (did you mean drain_timeout?)", 1, true), out)
      assert.truthy(out:find("config.lua:4: keep_alive: must be a number of seconds", 1, true), out)
      assert.truthy(out:find("a.lua:2: ", 1, true), out)
      assert.truthy(out:find("b.lua:3: does not load", 1, true), out)
      assert.truthy(out:find("c.lua:3: ", 1, true), out)
      assert.truthy(out:find("c.lua:2", 1, true), out)
      assert.truthy(out:find("d.lua:4: ", 1, true), out)
      assert.truthy(out:find("e.lua:1: ", 1, true), out)
      assert.truthy(out:find("f.lua:2: ", 1, true), out)
      assert.truthy(out:find("\napp: %d+ problems\n$"), out)
    end)

    it("names what it cannot read", function()
      local status, out = sh('"$httpsrv" check nowhere')
      assert.equal(1, status)
      assert.equal("httpsrv: cannot read nowhere: No such file or directory\n", out)
      status, out = sh('ln -s nowhere app/dangling.lua; "$httpsrv" check app')
      assert.equal(1, status)
      assert.truthy(out:find("dangling.lua", 1, true), out)
      status, out = sh('"$httpsrv" check --config nowhere app')
      assert.equal(1, status)
      assert.truthy(out:find("nowhere: No such file or directory", 1, true), out)
    end)

    it("refuses bytecode (threat 37)", function()
      file("dump.lua", "local f = io.open('app/x.lua', 'wb') f:write(string.dump(function() return 1 end)) f:close()")
      local status, out = sh('"$httpsrv" lua dump.lua && "$httpsrv" check app')
      assert.equal(1, status)
      assert.truthy(out:find("x.lua", 1, true), out)
    end)
  end)

  describe("routes", function()
    it("lists them in matching order", function()
      file("app/one.lua", [[
local httpsrv = require "httpsrv"
httpsrv.register(nil, "/", print)
httpsrv.register("GET", "/a/longer/one/", print)
httpsrv.register(nil, "/a", print)
httpsrv.register("POST", "/a", print)
httpsrv.register("GET", "/", print, { exact = true })
]])
      local status, out = sh('"$httpsrv" routes app')
      assert.equal(0, status)
      assert.equal([[
METHOD  PATH           WHERE
GET     /a/longer/one  app/one.lua:3
POST    /a             app/one.lua:5
*       /a             app/one.lua:4
GET     / (exact)      app/one.lua:6
*       /              app/one.lua:2
]], out)
      file("app/two.lua", "require('httpsrv').register(nil, '/z', print, { host = 'Example.com' })\n")
      status, out = sh('"$httpsrv" routes app')
      assert.equal(0, status)
      assert.truthy(out:find("^METHOD  HOST         PATH           WHERE\n%*       example.com  /z             app/two.lua:1\n"), out)
    end)

    it("still lists when a script is broken", function()
      file("app/hello.lua", hello)
      file("app/broken.lua", "x = = 1")
      local status, out = sh('"$httpsrv" routes app 2>err')
      assert.equal(1, status)
      assert.truthy(out:find("/hello", 1, true), out)
      assert.truthy(read("err"):find("broken.lua:1: ", 1, true))
    end)
  end)

  describe("lua", function()
    it("runs a file with its arguments", function()
      file("x.lua", "print(arg[0], #arg, arg[1], ...)")
      local status, out = sh('"$httpsrv" lua x.lua a "b c"')
      assert.equal(0, status)
      assert.equal("x.lua\t2\ta\ta\tb c\n", out)
    end)

    it("runs code, and stdin", function()
      local status, out = sh([["$httpsrv" lua -e 'print(6 * 7)']])
      assert.equal(0, status)
      assert.equal("42\n", out)
      status, out = sh([[echo 'print(...)' | "$httpsrv" lua - 1 2]])
      assert.equal(0, status)
      assert.equal("1\t2\n", out)
    end)

    it("waits on the event loop", function()
      local status, out = sh([["$httpsrv" lua -e 'local h = require "httpsrv"; h.sleep(0.01); print("slept")']])
      assert.equal(0, status)
      assert.equal("slept\n", out)
    end)

    it("says what failed and where", function()
      file("x.lua", "\nerror('oh no')")
      local status, out = sh('"$httpsrv" lua x.lua')
      assert.equal(1, status)
      assert.truthy(out:find("x.lua:2: oh no", 1, true), out)
      status, out = sh('"$httpsrv" lua nowhere.lua')
      assert.equal(1, status)
      assert.truthy(out:find("nowhere.lua", 1, true), out)
      assert.equal(3, (sh([["$httpsrv" lua -e 'os.exit(3)']])))
      assert.equal(2, (sh('"$httpsrv" lua')))
    end)
  end)

  describe("serve, when something is wrong at start,", function()
    local function fails(args, status, pattern)
      local got, out = sh('timeout 20 "$httpsrv" serve ' .. args)
      assert.equal(status, got, out)
      assert.truthy(out:find(pattern, 1, true), out)
    end

    before_each(function()
      file("app/hello.lua", hello)
    end)

    it("names a missing directory", function()
      fails("nowhere", 1, "httpsrv: cannot serve nowhere: No such file or directory")
      fails("/dev/null", 1, "httpsrv: cannot serve /dev/null: not a directory or a file")
      fails("", 2, "which directory or file?")
      fails("app app", 2, "takes one directory or file")
    end)

    it("names file and line of a syntax error", function()
      file("app/broken.lua", "local a = 1\nlocal b = = 2\n")
      fails("app --listen 127.0.0.1:0", 1, "broken.lua:2: ")
      fails("app/broken.lua --listen 127.0.0.1:0", 1, "broken.lua:2: ")
    end)

    it("names file and line of an error while loading", function()
      file("app/broken.lua", "\n\nerror('cannot do this')")
      fails("app --listen 127.0.0.1:0", 1, "broken.lua:3: cannot do this")
    end)

    it("names the place of a duplicate (ruling 14)", function()
      file("app/later.lua", "local h = require 'httpsrv'\nh.register('GET', '/hello/', print)")
      fails("app --listen 127.0.0.1:0", 1, "later.lua:2: ")
    end)

    it("names a script that cannot be read", function()
      assert.equal(0, (sh("ln -s nowhere app/dangling.lua")))
      fails("app --listen 127.0.0.1:0", 1, "dangling.lua")
    end)

    it("names an unknown option and the one that was meant", function()
      fails("app --drain-timout 3", 2, "httpsrv: serve: unknown option --drain-timout (did you mean --drain-timeout?)")
      fails("app --max-body lots", 2, "--max-body: must be a number of bytes")
    end)

    it("names file, line and key of a bad setting", function()
      file("app/config.lua", "return {\n  max_body = 'lots',\n  listn = 1,\n}")
      fails("app", 1, "app/config.lua:2: max_body: must be a number of bytes")
      fails("app", 1, "app/config.lua:3: unknown setting 'listn' (did you mean listen?)")
      file("app/config.lua", "return 3 +")
      fails("app", 1, "app/config.lua:1: ")
      fails("app --config nowhere", 1, "httpsrv: nowhere: No such file or directory")
    end)

    it("names an address in use", function()
      local _, address = serve("app --listen 127.0.0.1:0")
      local port = address:match(":(%d+)$")
      fails("app --listen 127.0.0.1:" .. port, 1,
        "httpsrv: cannot listen at 127.0.0.1:" .. port .. ": the address is in use by another server")
    end)

    it("names an address that another shares by SO_REUSEPORT (ruling 22)", function()
      local status, out = sh([[
        python3 -c '
import socket, subprocess, os
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
s.bind(("127.0.0.1", 0))
s.listen()
port = s.getsockname()[1]
p = subprocess.run(["timeout", "20", os.environ["httpsrv"], "serve", "app", "--listen", "127.0.0.1:%d" % port])
print(p.returncode, port, flush=True)']])
      assert.equal(0, status, out)
      local port = out:match("1 (%d+)\n$")
      assert.truthy(port, out)
      assert.truthy(out:find("cannot listen at 127.0.0.1:" .. port .. ": the address is in use", 1, true), out)
    end)

    it("names an address that is none, or not ours", function()
      fails("app --listen localhost", 2, "must be an address")
      fails("app --listen 192.0.2.1:8080", 1, "cannot listen at 192.0.2.1:8080: ")
      fails("app --listen unix:nowhere/s", 1, "cannot listen at unix:nowhere/s: No such file or directory")
      file("plain", "keep me")
      fails("app --listen unix:plain", 1, "the file exists and is not a socket")
      assert.equal("keep me", read("plain"))
    end)
  end)

  describe("serve", function()
    before_each(function()
      file("app/hello.lua", hello)
    end)

    it("answers at each address that it was told", function()
      local has_ipv6 = sh("grep -qs '^0*1 ' /proc/net/if_inet6") == 0
      local _, address = serve("app --listen 127.0.0.1:0 --listen unix:s" .. (has_ipv6 and " --listen '[::1]:0'" or ""))
      local status, out = sh("curl -s " .. address .. "/hello && curl -s --unix-socket s http://h/hello")
      assert.equal(0, status)
      assert.equal("hello\nhello\n", out)
      if has_ipv6 then
        local six = read("log"):match("http://(%[::1%]:%d+)/")
        assert.truthy(six, read("log"))
        assert.equal(0, (sh("curl -sg 'http://" .. six .. "/hello' | grep -q hello")))
      end
      assert.equal("404", select(2, sh("curl -s -o /dev/null -w '%{http_code}' " .. address .. "/nothing")))
    end)

    it("serves one file", function()
      local _, address = serve("app/hello.lua --listen 127.0.0.1:0")
      assert.equal("hello\n", select(2, sh("curl -s " .. address .. "/hello")))
    end)

    it("takes settings from config.lua, which is no handler script, and the command line first", function()
      file("app/config.lua", "return { listen = { 'unix:fromconfig', 'unix:second' }, head_fields = 5 }")
      serve("app")
      assert.equal("hello\n", select(2, sh("curl -s --unix-socket second http://h/hello")))
      local many = {}
      for i = 1, 6 do
        many[i] = ("-H 'X-%d: 1'"):format(i)
      end
      assert.equal("431", select(2, sh("curl -s -o /dev/null -w '%{http_code}' --unix-socket second " .. table.concat(many, " ") ..
        " http://h/hello")))
      sh("kill -9 $(cat pid)")
      file("other.lua", "return { listen = 'unix:fromother' }")
      serve("app --config other.lua")
      assert.equal(0, (sh("test -S fromother")))
      sh("kill -9 $(cat pid)")
      serve("app --listen unix:fromcommand --head-fields 50")
      assert.equal("200", select(2, sh("curl -s -o /dev/null -w '%{http_code}' --unix-socket fromcommand " ..
        table.concat(many, " ") .. " http://h/hello")))
    end)

    it("replaces the socket file of a server that died, not of one that lives", function()
      local pid = serve("app --workers 0 --listen unix:s")
      local status, out = sh('timeout 20 "$httpsrv" serve app --listen unix:s')
      assert.equal(1, status)
      assert.truthy(out:find("cannot listen at unix:s: the address is in use", 1, true), out)
      assert.equal("hello\n", select(2, sh("curl -s --unix-socket s http://h/hello")))
      sh("kill -9 " .. pid)
      assert.truthy(gone(pid))
      assert.equal(0, (sh("test -S s")))
      pid = serve("app --listen unix:s")
      assert.equal("hello\n", select(2, sh("curl -s --unix-socket s http://h/hello")))
      sh("kill " .. pid)
      assert.truthy(gone(pid))
      assert.equal(1, (sh("test -e s")))
    end)

    it("shows tracebacks to the client with --dev only", function()
      local _, address = serve("app --listen 127.0.0.1:0")
      local _, out = sh("curl -s -w '%{http_code}' " .. address .. "/fail")
      assert.truthy(out:find("500$"), out)
      assert.falsy(out:find("on purpose", 1, true))
      assert.truthy(read("log"):find("on purpose", 1, true))
      sh("kill -9 $(cat pid)")
      _, address = serve("app --listen 127.0.0.1:0 --dev")
      _, out = sh("curl -s -w '%{http_code}' " .. address .. "/fail")
      assert.truthy(out:find("on purpose", 1, true), out)
      assert.truthy(out:find("500$"), out)
    end)

    it("logs less with --log-level", function()
      local status = sh([["$httpsrv" serve app --listen unix:s --log-level error >log 2>&1 & echo $! >pid
        for i in $(seq 500); do [ -S s ] && break; sleep 0.01; done; curl -s --unix-socket s http://h/hello]])
      assert.equal(0, status)
      assert.equal("", read("log"))
    end)

    it("shows a line for each request on a terminal", function()
      -- python makes the terminal
      local status, out = sh([[
        python3 -c '
import os, pty, socket, subprocess, time
master, slave = pty.openpty()
p = subprocess.Popen([os.environ["httpsrv"], "serve", "app", "--listen", "unix:s"], stderr=slave)
os.close(slave)
text = b""
while b"serves" not in text:
    text += os.read(master, 4096)
c = socket.socket(socket.AF_UNIX)
c.connect("s")
c.sendall(b"GET /hello?a=b HTTP/1.1\r\nHost: h\r\n\r\n")
c.recv(4096)
while b"GET" not in text:
    text += os.read(master, 4096)
c.close()
os.close(master)
p.wait(timeout=20)
print(text.decode())
print("returned", p.returncode)']])
      assert.equal(0, status, out)
      assert.truthy(out:find("GET /hello%?a=b 200 6 %d+%.%dms"), out)
      assert.truthy(out:find("returned 0", 1, true), out) -- the terminal went away (ruling 23)
    end)
  end)

  describe("serve, told to stop,", function()
    before_each(function()
      file("app/hello.lua", hello)
    end)

    it("takes the scripts anew at SIGHUP, and finishes what it has begun", function()
      local pid = serve("app --listen unix:s --workers 0")
      local _, out = sh([[
        curl -s --unix-socket s http://h/slow >answer & client=$!
        for i in $(seq 1000); do [ -e begun ] && break; sleep 0.01; done
        echo 'require("httpsrv").register("GET", "/new", function(sess) sess:response_append "new " end)' >app/new.lua
        kill -HUP ]] .. pid .. [[

        for i in $(seq 1000); do grep -q 'reloaded: generation 2' log && break; sleep 0.01; done
        curl -s --unix-socket s http://h/new
        wait $client
        cat answer]])
      assert.equal("new slow\n", out)
      sh("kill " .. pid)
      assert.truthy(gone(pid))
    end)

    for _, signal in ipairs({ "TERM", "INT" }) do
      it("finishes requests after SIG" .. signal .. " and returns 0 (ruling 23)", function()
        local status, out = sh([[
          "$httpsrv" serve app --listen unix:s >log 2>&1 &
          pid=$!
          for i in $(seq 1000); do grep -q ' serves ' log && break; sleep 0.01; done
          curl -s -i --unix-socket s http://h/slow >answer &
          client=$!
          for i in $(seq 1000); do [ -e begun ] && break; sleep 0.01; done
          kill -]] .. signal .. [[ $pid
          wait $client
          wait $pid
          echo "returned $?"
          cat answer]])
        assert.equal(0, status)
        assert.truthy(out:find("returned 0\n", 1, true), out)
        assert.truthy(out:find("HTTP/1.1 200 OK\r\n", 1, true), out)
        assert.truthy(out:find("Connection: close\r\n", 1, true), out)
        assert.truthy(out:find("\r\n\r\nslow\n", 1, true), out)
      end)
    end

    it("takes the scripts anew at SIGHUP in all workers (ruling 19)", function()
      local pid = serve("app --listen unix:s --workers 2")
      file("app/hello.lua", hello:gsub("hello\\n", "anew\\n"))
      sh("kill -HUP " .. pid .. "; for i in $(seq 1000); do [ $(grep -c 'reloaded: generation 2' log) = 2 ] && break; sleep 0.01; done")
      assert.equal("anew\n", select(2, sh("curl -s --unix-socket s http://h/hello")))
      sh("kill " .. pid)
      assert.truthy(gone(pid))
    end)

    for _, workers in ipairs { 0, 2 } do
      it("takes a script that is saved anew with --dev, " .. workers .. " workers", function()
        local pid = serve("app --dev --listen unix:s --workers " .. workers)
        local function saved(text, said, times)
          file("app/hello.lua", text)
          sh(("for i in $(seq 1000); do [ $(grep -c '%s' log) = %d ] && break; sleep 0.01; done"):format(said, times))
          return select(2, sh("curl -s --unix-socket s http://h/hello"))
        end
        local each = math.max(workers, 1)
        assert.equal("anew\n", saved(hello:gsub("hello\\n", "anew\\n"), "reloaded: generation 2", each))
        assert.equal("anew\n", saved("this is no Lua", "hello.lua:1:", 1))
        assert.equal("right\n", saved(hello:gsub("hello\\n", "right\\n"), "reloaded: generation [34]", each))
        sh("kill " .. pid)
        assert.truthy(gone(pid))
      end)
    end

    it("stops at once at a second signal", function()
      local pid = serve("app --listen unix:s")
      local _, out = sh([[
        curl -s --unix-socket s http://h/slow >answer & client=$!
        for i in $(seq 1000); do [ -e begun ] && break; sleep 0.01; done
        kill ]] .. pid .. [[; sleep 0.05; kill ]] .. pid .. [[

        wait $client
        echo "client $?"]])
      assert.truthy(gone(pid))
      assert.falsy(out:find("client 0\n", 1, true), out)
      assert.equal("", read("answer"))
    end)

    it("gives up at drain-timeout", function()
      local pid = serve("app --listen unix:s --drain-timeout 0.2")
      local _, out = sh([[
        curl -s --unix-socket s http://h/slow >answer & client=$!
        for i in $(seq 1000); do [ -e begun ] && break; sleep 0.01; done
        kill ]] .. pid .. [[

        wait $client
        echo "client $?"]])
      assert.truthy(gone(pid))
      assert.falsy(out:find("client 0\n", 1, true), out)
      assert.truthy(read("log"):find("requests under way: 1", 1, true), read("log"))
    end)

    it("stops while scripts are loading", function()
      file("app/slow.lua", "require('httpsrv').sleep(30)")
      local _, out = sh([[
        "$httpsrv" serve app --listen unix:s --load-timeout 60 >log 2>&1 &
        pid=$!
        for i in $(seq 1000); do [ -S s ] && break; sleep 0.01; done
        sleep 0.1
        kill $pid
        wait $pid
        echo "returned $?"]])
      assert.truthy(out:find("returned 0\n", 1, true), out)
    end)
  end)
end)

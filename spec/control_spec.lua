-- Commands for a running server: httpsrv ctl.
local httpsrv = require "httpsrv"
local support = require "support.server"
local timed = support.timed

describe("httpsrv ctl", function()
  local server, control, dir

  local function ctl(...) return support.run("ctl", "--control", control, ...) end

  setup(timed(function()
    dir = support.folder()
    control = dir .. "/control"
    server = assert(support.start({ ["commands.lua"] = [[
      local httpsrv = require "httpsrv"
      local kept
      httpsrv.register("GET", "/kept", function(sess) sess:response_append(tostring(kept)) end)
      httpsrv.register_control("keep", function(cc) kept = cc.argv[1] end)
      httpsrv.register_control("show", function(cc)
        print("words", cc.argc)
        for i = -1, cc.argc do cc:print(i, cc.argv[i]) end
        print(tostring(cc))
      end)
      httpsrv.register_control("mine of status", function() return 42 end)
      httpsrv.register_control("stay", function()
        print "staying"
        local ok, err = pcall(httpsrv.sleep, 1000)
        kept = not ok and err == httpsrv.cancelled and "cancelled" or "odd"
        httpsrv.log("info", "stay has ended")
        error(err, 0)
      end)
      httpsrv.register_control("whine", function(cc) cc:print("heard") cc:complain("not", "heard") end)
      httpsrv.register_control("much", function(cc) for _ = 1, 2000 do print(("x"):rep(999)) end end)
      httpsrv.register_control("fail", function() cc = nil; local x = nil; x() end)
    ]] }, "--control", control))
  end))

  teardown(timed(function()
    server:stop()
    support.remove(dir)
  end))

  -- proves: httpsrv.register_control
  it("has a command of the scripts carried out", timed(function()
    assert.are.same({ 0, "" }, { ctl("keep", "this one") })
    assert.are.equal("this one", server:request("GET", "/kept").body)
  end))

  -- proves: command:print
  it("shows what it prints, and gives it its words", timed(function()
    local status, text = ctl("show", "a b", "", "--x")
    assert.are.equal(0, status)
    assert.are.equal("words\t4\n-1\tnil\n0\tshow\n1\ta b\n2\t\n3\t--x\n4\tnil\ncommand show\n", text)
  end))

  -- proves: command:complain
  it("keeps stdout and stderr apart", timed(function()
    local script = 'exec "$(readlink "/proc/$PPID/exe")" "$@" 2>&1 >/dev/null'
    assert.are.same({ 0, "not\theard\n" }, { support.shell(script, "ctl", "--control", control, "whine") })
    assert.are.same({ 0, "heard\nnot\theard\n" }, { ctl("whine") })
  end))

  it("ends with the command's status", timed(function()
    assert.are.same({ 42, "" }, { ctl("mine", "of", "status") })
    local status, text = ctl("fail")
    assert.are.equal(1, status)
    assert.is_truthy(text:match("^%S+commands%.lua:%d+: attempt to call local 'x' %(a nil value%)\n$"), text)
    server:logs("command: ")
  end))

  it("knows a name only with all its words", timed(function()
    local status, text = ctl("stat")
    assert.are.equal(2, status)
    assert.are.equal("httpsrv: there is no command 'stat' ('httpsrv ctl help' lists them)\n", text)
  end))

  it("asks the server itself", timed(function()
    local status, text = ctl("status")
    assert.are.equal(0, status)
    assert.is_truthy(text:find("\nstate serving\n", 1, true), text)
    assert.is_truthy(text:find("\npid " .. server.process .. "\n", 1, true), text)
    status, text = ctl("help")
    assert.are.equal(0, status)
    assert.is_truthy(text:find("  show       (of the scripts)\n", 1, true), text)
    assert.is_truthy(text:find("  stop       ", 1, true), text)
  end))

  it("cancels a command when it goes away itself", timed(function()
    local script = 'exec "$(readlink "/proc/$PPID/exe")" "$@"'
    local child = assert(httpsrv.io.popen({ "sh", "-c", script, "sh", "ctl", "--control", control, "stay" }))
    assert.are.equal("staying", child.stdout:read("*l"))
    child:kill(9)
    child:wait()
    server:logs("stay has ended")
    assert.are.equal("cancelled", server:request("GET", "/kept").body)
  end))

  it("takes much output", timed(function()
    local status, text = ctl("much")
    assert.are.equal(0, status)
    assert.are.equal(2000000, #text)
  end))

  it("is for the owner of the server", timed(function()
    local _, mode = support.shell('stat -c %a "$1"', control)
    assert.are.equal("600\n", mode)
  end))

  it("says what is wrong with it", timed(function()
    local status, text = support.run("ctl")
    assert.are.equal(2, status)
    assert.is_truthy(text:find("ctl: which command?", 1, true), text)
    status, text = support.run("ctl", "--control")
    assert.are.equal(2, status)
    assert.is_truthy(text:find("--control needs a value", 1, true), text)
    status, text = support.run("ctl", "--contrl", "x", "status")
    assert.are.equal(2, status)
    assert.is_truthy(text:find("unknown option --contrl", 1, true), text)
    status, text = support.run("ctl", "--control=" .. dir .. "/none", "status")
    assert.are.equal(1, status)
    assert.is_truthy(text:find(dir .. "/none: No such file or directory", 1, true), text)
  end))

  it("finds the server of this user, and says which when there are several", timed(function()
    local home = support.folder()
    local env = 'export XDG_RUNTIME_DIR="$1"; shift; exec "$(readlink "/proc/$PPID/exe")" "$@" 2>&1'
    local function found(...) return support.shell(env, home, ...) end
    local status, text = found("ctl", "status")
    assert.are.equal(1, status)
    assert.is_truthy(text:find("no server of yours listens in " .. home .. "/httpsrv", 1, true), text)
    local function serve()
      local child = assert(httpsrv.io.popen({ "sh", "-c", env, "sh", home, "serve", server.dir, "--listen", "unix:@" .. home .. os.time() ..
        math.random(1e9) }))
      assert.is_truthy(child.stdout:read("*l"):find(" serves ", 1, true))
      return child
    end
    local one = serve()
    status, text = found("ctl", "status")
    assert.are.equal(0, status)
    assert.is_truthy(text:find("state serving", 1, true), text)
    local two = serve()
    status, text = found("ctl", "status")
    assert.are.equal(2, status)
    local first, second = text:match("several servers listen; which one%?\n[^\n]*%-%-control (%S+)\n[^\n]*%-%-control (%S+)\n")
    assert.is_truthy(first and first ~= second, text)
    assert.are.same({ 0, "" }, { found("ctl", "--control", first, "stop") })
    assert.are.same({ 0, "" }, { found("ctl", "--", "--control", first, "stop") == 2 and 0 or 1, "" })
    assert.are.same({ 0, "" }, { found("ctl", "--control", second, "stop") })
    assert.are.equal(0, one:wait())
    assert.are.equal(0, two:wait())
    assert.are.same({ 0, "" }, { support.shell('ls "$1/httpsrv"', home) })
    support.remove(home)
  end))
end)

describe("register_control", function()
  it("refuses what cannot be, at the script's line", function()
    local function failure(...)
      local ok, err = pcall(httpsrv.register_control, ...)
      assert.is_false(ok)
      return err
    end
    assert.is_truthy(failure(1):find("bad argument #1 to 'register_control' (string expected, got number)", 1, true))
    assert.is_truthy(failure("x"):find("bad argument #2 to 'register_control' (function expected, got nil)", 1, true))
    for _, prefix in ipairs { "", " ", " a", "a ", "a  b", "a\tb", "a\nb", "a\0b", "1 2 3 4 5 6 7 8 9" } do
      assert.is_truthy(failure(prefix, print):find("words with single blanks", 1, true), prefix)
    end
    assert.is_true(httpsrv.register_control("control_spec once", print))
    local _, err = pcall(function() httpsrv.register_control("control_spec once", print) end)
    assert.is_truthy(err:match("control_spec%.lua:%d+: the command 'control_spec once' is registered already$"), err)
  end)
end)

-- httpsrv.io: making ios, reading and writing them.
local httpsrv = require "httpsrv"
local io = httpsrv.io

local BUSY = { nil, "io is in use", "EBUSY" }
local CLOSED = { nil, "io is closed", "EBADF" }

-- A folder of the specs' own.
local function temporary()
  local child = assert(io.popen({ "mktemp", "-d" }))
  local dir = child.stdout:read("*l")
  child:wait()
  finally(function() assert(io.popen({ "rm", "-rf", dir })):wait() end)
  return dir
end

local function slowly(w, ...)
  local pieces = { ... }
  httpsrv.spawn(function()
    for _, piece in ipairs(pieces) do
      httpsrv.sleep(0.002)
      assert(w:write(piece))
    end
    w:close()
  end)
end

describe("reading", function()
  -- proves: io:read, httpsrv.io.memory
  it("takes formats as file:read does", function()
    local text = "first\n 42 0x1F -1.5e3 next\nlast"
    local m = io.memory(text)
    assert.are.same({ "first", 42, 31, -1500, " next\n", "la" }, { m:read("*l", "*n", "*n", "*n", "*L", 2) })
    assert.are.same({ "st", nil }, { m:read("*a", "*l") })
    assert.are.equal("", m:read("*a"))
    assert.is_nil(m:read("*l"))
    assert.is_nil(m:read(1))
    assert.is_nil(m:read("*n"))
    assert.is_nil(m:read(0))
    m = io.memory("a\n\nb\n")
    assert.are.same({ "a", "", "b" }, { m:read(), m:read("*l"), m:read("l") })
    assert.is_nil(m:read())
    assert.are.equal("", io.memory("x"):read(0))
  end)

  it("stops at the first format that fails", function()
    assert.are.same({ "a", nil }, { io.memory("a\nx"):read("*l", "*n", "*l") })
    assert.are.same({ 12, "x" }, { io.memory("12x"):read("*n", 5) })
    assert.is_nil((io.memory("-"):read("*n")))
    assert.is_nil((io.memory("word 1"):read("*n")))
  end)

  it("waits for what comes in pieces", function()
    local r, w = io.pipe()
    slowly(w, "a l", "ine\n12", "3 ", "exactly", "ten!", " and the", " rest")
    assert.are.same({ "a line", 123 }, { r:read("*l", "*n") })
    assert.are.equal(" exactlyte", r:read(10))
    assert.are.equal("n! and the rest", r:read("*a"))
    assert.is_nil(r:read(1))
  end)

  -- proves: io:chunks, httpsrv.io.pipe
  it("by the piece gives what there is", function()
    local r, w = io.pipe()
    slowly(w, "one", "two", "three")
    local got = {}
    for piece in r:chunks() do got[#got + 1] = piece end
    assert.are.equal("onetwothree", table.concat(got))
    assert.is_true(#got > 1)
    got = {}
    for piece in io.memory("abcdefgh"):chunks(3) do got[#got + 1] = piece end
    assert.are.same({ "abc", "def", "gh" }, got)
  end)

  -- proves: io:lines
  it("by the line", function()
    local got = {}
    for line in io.memory("a\n\nlong " .. ("x"):rep(100000) .. "\nend"):lines() do got[#got + 1] = #line end
    assert.are.same({ 1, 0, 100005, 3 }, got)
    local r, w = io.pipe()
    slowly(w, "a\nb", "c\n", "d")
    got = {}
    for line in r:lines() do got[#got + 1] = line end
    assert.are.same({ "a", "bc", "d" }, got)
  end)

  it("keeps what was gathered when a wait is cancelled", function()
    local r, w = io.pipe()
    w:write("half")
    local task = httpsrv.spawn(function() return r:read(8) end)
    httpsrv.sleep(0.002)
    task:cancel()
    task:wait()
    w:write(" all")
    assert.are.equal("half all", r:read(8))
  end)

  it("raises for what is no format", function()
    local m = io.memory("x")
    for _, bad in ipairs { "*x", "", {}, false, -1, 0 / 0 } do assert.has_error(function() m:read(bad) end) end
    local _, err = pcall(function() m:read("*l", "*q") end)
    assert.is_truthy(err:match("^%S*io_spec%.lua:%d+: bad argument #2 to 'read' %(invalid format%)$"), err)
    assert.has_error(function() m:chunks(0) end)
    _, err = pcall(function() m.read({}, 1) end)
    assert.is_truthy(err:find("io expected, got table", 1, true), err)
  end)

  it("gives others a turn on the way through much", function()
    local turns = 0
    local ticker = httpsrv.timer.every(0.0005, function() turns = turns + 1 end)
    local big = io.memory(("x"):rep(64 * 1024 * 1024))
    assert.are.equal(64 * 1024 * 1024, #big:read("*a"))
    ticker:stop()
    assert.is_true(turns > 3)
  end)
end)

describe("writing", function()
  -- proves: io:write, io:flush
  it("takes strings and numbers, and gives the io", function()
    local f = assert(io.tmpfile())
    assert.are.equal(f, f:write("a", 1, "\n", 2.5, ""))
    assert.are.equal(f, f:write())
    assert.is_true(f:flush())
    assert.are.equal(0, f:seek("set"))
    assert.are.equal("a1\n2.5", f:read("*a"))
    local _, err = pcall(function() f:write("x", {}) end)
    assert.is_truthy(err:match("^%S*io_spec%.lua:%d+: bad argument #2 to 'write' %(string expected, got table%)$"), err)
  end)

  it("waits while the reader is slow", function()
    local r, w = io.pipe()
    local text = ("0123456789"):rep(100000)
    local writer = httpsrv.spawn(function() assert(w:write(text)) w:close() return "written" end)
    httpsrv.sleep(0.01)
    assert.is_false(writer:is_done())
    assert.are.equal(text, r:read("*a"))
    assert.are.same({ true, "written" }, { writer:wait() })
  end)

  it("says when nobody reads any more", function()
    local r, w = io.pipe()
    r:close()
    local ok, msg, code = w:write("x")
    assert.is_nil(ok)
    assert.is_string(msg)
    assert.are.equal("EPIPE", code)
  end)
end)

describe("position", function()
  -- proves: io:seek, io:size, httpsrv.io.tmpfile
  it("counts what was read ahead", function()
    local f = assert(io.tmpfile())
    f:write("line one\nline two\nline three\n")
    f:seek("set")
    assert.are.equal("line one", f:read())
    assert.are.equal(9, f:seek())
    assert.are.equal(14, f:seek("cur", 5))
    assert.are.equal("two", f:read("*l"))
    assert.are.equal(29, f:seek("end"))
    assert.are.equal(29, f:size())
    f:seek("set", 0)
    f:read()
    f:write("LINE")
    f:seek("set")
    assert.are.equal("line one\nLINE two\nline three\n", f:read("*a"))
    assert.has_error(function() f:seek("middle") end)
    assert.has_error(function() f:seek("set", 1.5) end)
    assert.are.equal("EINVAL", (select(3, f:seek("set", -1))))
  end)

  it("there is none in a pipe", function()
    local r = io.pipe()
    assert.are.equal("ESPIPE", (select(3, r:seek("cur"))))
    assert.is_nil((r:size()))
  end)

  -- proves: io:clone
  it("is a clone's own", function()
    local m = io.memory("abc")
    local c = m:clone()
    assert.are.same({ "abc", "abc" }, { m:read("*a"), c:read("*a") })
  end)
end)

describe("opening", function()
  -- proves: httpsrv.io.open
  it("makes, reads, truncates, appends", function()
    local name = temporary() .. "/file"
    local f = assert(io.open(name, "w"))
    assert(f:write("one"))
    f:close()
    f = assert(io.open(name, "a"))
    f:write(" two")
    f:close()
    f = assert(io.open(name))
    assert.are.equal("one two", f:read("*a"))
    f:close()
    f = assert(io.open(name, io.O_RDWR))
    f:write("ONE")
    f:seek("set")
    assert.are.equal("ONE two", f:read("*a"))
    f:close()
    assert.are.equal("", assert(io.open(name, "w+b")):read("*a"))
    assert.are.equal("EEXIST", (select(3, io.open(name, io.O_WRONLY + io.O_CREAT + io.O_EXCL))))
  end)

  it("says what is wrong", function()
    local f, msg, code = io.open("/nonexistent/file")
    assert.is_nil(f)
    assert.are.equal("No such file or directory", msg)
    assert.are.equal("ENOENT", code)
    assert.are.equal("EPROTONOSUPPORT", (select(3, io.open("nothing://here"))))
    for _, bad in ipairs { {}, "x", "rr", true } do assert.has_error(function() io.open("x", bad) end) end
    assert.has_error(function() io.open() end)
    assert.has_error(function() io.open("a\0b") end)
  end)

  it("ruling 18: a FIFO waits for its other end while others run", function()
    local name = temporary() .. "/fifo"
    assert(io.popen({ "mkfifo", name })):wait()
    local reader = httpsrv.spawn(function() return assert(io.open(name)):read("*a") end)
    httpsrv.sleep(0.02)
    assert.is_false(reader:is_done())
    local w = assert(io.open(name, "w"))
    w:write("through")
    w:close()
    assert.are.same({ true, "through" }, { reader:wait() })
  end)

  it("closes what nobody holds any more before it gives up for want of descriptors", function()
    local name = temporary() .. "/file"
    assert(io.open(name, "w")):close()
    for _ = 1, 3000 do assert(io.open(name)) end
  end)
end)

describe("others", function()
  -- proves: httpsrv.io.connect
  it("connect", function()
    assert.are.equal("ECONNREFUSED", (select(3, io.connect("127.0.0.1:1"))))
    assert.are.equal("ENOENT", (select(3, io.connect("unix:/nonexistent/socket"))))
    assert.are.equal("EINVAL", (select(3, io.connect("localhost"))))
    assert.has_error(function() io.connect() end)
  end)

  -- proves: httpsrv.io.concat, httpsrv.io.range, httpsrv.io.gzip
  it("concat, range, gzip", function()
    assert.are.equal("abcdef", io.concat(io.memory("ab"), io.memory("cd"), io.memory("ef")):read("*a"))
    assert.are.equal("cde", io.range(io.memory("abcdef"), 2, 4):read("*a"))
    assert.are.equal("cdef", io.range(io.memory("abcdef"), 2):read("*a"))
    local gunzip = assert(io.popen({ "gunzip" }))
    local text = ("text "):rep(1000)
    local z = io.gzip(io.memory(text), 9):read("*a")
    assert.is_true(#z < 200)
    gunzip.stdin:write(z)
    gunzip.stdin:close()
    assert.are.equal(text, gunzip.stdout:read("*a"))
    assert.are.equal(0, gunzip:wait())
    assert.has_error(function() io.gzip(io.memory("x"), 10) end)
    assert.has_error(function() io.concat("x") end)
    assert.has_error(function() io.range(io.memory("x"), -1) end)
    assert.are.equal("EINVAL", (select(3, io.range(io.memory("abc"), 2, 1))))
  end)

  it("ruling 5: take over their sources", function()
    for _, make in ipairs { io.concat, function(m) return io.range(m, 0) end, io.gzip } do
      local m = io.memory("abc")
      local over = assert(make(m))
      assert.are.same(BUSY, { m:read(1) })
      assert.are.same(BUSY, { make(m) })
      over:close()
      collectgarbage()
      assert.are.equal("abc", m:read("*a"))
    end
  end)

  it("give on what a source was read ahead by", function()
    local r, w = io.pipe()
    slowly(w, "head\nbody ", "and more")
    assert.are.equal("head", r:read())
    assert.are.equal("[body and more]", io.concat(io.memory("["), r, io.memory("]")):read("*a"))
    local m = io.memory("head\nbody")
    m:read()
    assert.are.equal("body", io.concat(m):read("*a"))
  end)

  -- proves: httpsrv.io.fdopen
  it("fdopen", function()
    local ffi = require "ffi"
    ffi.cdef "int dup(int fd);"
    local fd = ffi.C.dup(1)
    local f = assert(io.fdopen(fd))
    f:close()
    assert.are.equal("EBADF", (select(3, io.fdopen(fd))))
    assert.has_error(function() io.fdopen(-1) end)
    assert.has_error(function() io.fdopen(1.5) end)
  end)
end)

describe("closing", function()
  -- proves: io:close
  it("makes every method say so", function()
    local m = io.memory("x")
    assert.is_true(m:close())
    assert.are.same(CLOSED, { m:close() })
    assert.are.same(CLOSED, { m:read(1) })
    assert.are.same(CLOSED, { m:read() })
    assert.are.same(CLOSED, { m:read("*a") })
    assert.are.same(CLOSED, { m:write("x") })
    assert.are.same(CLOSED, { m:seek() })
    assert.are.same(CLOSED, { m:size() })
    assert.are.same(CLOSED, { m:flush() })
    assert.are.same(CLOSED, { m:clone() })
    assert.are.equal("io (closed)", tostring(m))
    local _, err = pcall(function() for _ in m:chunks() do end end) -- luacheck: ignore 542
    assert.is_truthy(err:find("io is closed", 1, true), err)
  end)

  it("wakes whoever waits for it", function()
    local r, w = io.pipe()
    local task = httpsrv.spawn(function() return r:read(1) end)
    httpsrv.sleep(0.002)
    r:close()
    assert.are.same({ true, unpack(CLOSED, 1, 3) }, { task:wait() })
    w:close()
  end)

  it("of all of them leaves nothing", function()
    collectgarbage()
    local before = httpsrv.live().ios
    for _ = 1, 10 do
      local r, w = io.pipe()
      w:write("x")
      r:read(1)
      io.gzip(io.memory("x")):read("*a")
      io.generator(function(write) write("x") end):read("*a")
      io.generator(print)
    end
    for _ = 1, 3 do collectgarbage() end
    httpsrv.sleep(0.01)
    assert.are.equal(before, httpsrv.live().ios)
  end)
end)

describe("two tasks", function()
  it("may read and write one io at once", function()
    local cat = assert(io.popen({ "cat" }))
    local a, b = cat.stdin, cat.stdout
    local writer = httpsrv.spawn(function()
      for i = 1, 100 do assert(a:write(("x"):rep(i * 100))) end
      a:close()
    end)
    assert.are.equal(505000, #b:read("*a"))
    writer:wait()
    assert.are.equal(0, cat:wait())
  end)

  it("may not read one io at once", function()
    local r, w = io.pipe()
    local begun = httpsrv.event()
    local first = httpsrv.spawn(function()
      begun:set()
      return r:read(1)
    end)
    begun:wait()
    assert.are.equal("EBUSY", (select(3, r:read(1))))
    w:write("x")
    assert.are.same({ true, "x" }, { first:wait() })
  end)
end)

describe("generator", function()
  -- proves: httpsrv.io.generator
  it("writes strings and numbers, is begun at the first read, and may wait", function()
    local begun = false
    local g = io.generator(function(write)
      begun = true
      write("a", 1, "\n")
      httpsrv.sleep(0.002)
      for i = 1, 3 do write(i) end
    end)
    httpsrv.sleep(0.005)
    assert.is_false(begun)
    assert.are.equal("a1", g:read())
    assert.are.equal("123", g:read("*a"))
    assert.has_error(function() io.generator() end)
  end)

  it("is held back by its reader", function()
    local n = 0
    local g = io.generator(function(write) for _ = 1, 1000 do write(("x"):rep(1000)) n = n + 1 end end)
    g:read(1)
    httpsrv.sleep(0.01)
    assert.is_true(n < 200)
    assert.are.equal(999999, #g:read("*a"))
  end)

  it("hands its error to the reader", function()
    local g = io.generator(function(write) write("begun") error("generator's end") end)
    local text, msg, code = g:read("*a")
    assert.is_nil(text)
    assert.is_string(msg)
    assert.are.equal("EIO", code)
  end)

  it("cannot be written to when it has ended", function()
    local kept
    assert.are.equal("x", io.generator(function(write) kept = write write("x") end):read("*a"))
    assert.are.same({ nil, "the generator has ended", "EBADF" }, { kept("y") })
  end)

  it("writes from tasks and coroutines of its own", function()
    local g = io.generator(function(write)
      local t = httpsrv.spawn(function() write("task ") end)
      t:wait()
      coroutine.wrap(function() httpsrv.sleep(0.001) write("coroutine") end)()
    end)
    assert.are.equal("task coroutine", g:read("*a"))
  end)

  it("is cancelled when nobody reads any more", function()
    local caught
    local g = io.generator(function(write)
      local _, err = pcall(function() while true do write(("x"):rep(10000)) end end)
      caught = err
    end)
    g:read(1)
    g:close()
    httpsrv.sleep(0.01)
    assert.are.equal(httpsrv.cancelled, caught)
  end)
end)

describe("popen", function()
  -- proves: httpsrv.io.popen
  it("talks to a program", function()
    local child = assert(io.popen({ "tr", "a-z", "A-Z" }))
    child.stdin:write("shout")
    child.stdin:close()
    assert.are.equal("SHOUT", child.stdout:read("*a"))
    assert.are.equal(0, child:wait())
    assert.are.equal(0, child:wait())
    assert.are.equal("ESRCH", (select(3, child:kill())))
  end)

  -- proves: child:wait, child:kill
  it("tells how it ended", function()
    assert.are.equal(3, assert(io.popen({ "sh", "-c", "exit 3" })):wait())
    local child = assert(io.popen({ "sleep", "100" }))
    assert.is_true(child:kill(9))
    assert.are.same({ nil, "killed by signal 9", 9 }, { child:wait() })
    assert.are.equal("child process", tostring(child))
  end)

  it("says what is wrong", function()
    assert.are.equal("ENOENT", (select(3, io.popen({ "/nonexistent/program" }))))
    for _, bad in ipairs { {}, { 1 }, { "a\0b" }, { {} } } do assert.has_error(function() io.popen(bad) end) end
    assert.has_error(function() io.popen("ls") end)
    assert.has_error(function() io.popen({ "true" }):kill(1000) end)
  end)
end)

describe("define", function()
  local log = {}

  assert(io.define {
    scheme = "spec",
    open = function(name, flags, perm)
      httpsrv.sleep(0.001)
      local what = name:match("^spec://(.*)$")
      if what == "missing" then return nil, "it is missing", "ENOENT" end
      return { what = what, left = 3, flags = flags, perm = perm }
    end,
    read = function(state, n)
      httpsrv.sleep(0.001)
      assert(n > 0)
      if state.what == "broken" then return nil, "no", "EACCES" end
      if state.what == "raising" then error("read raises") end
      if state.left == 0 then return nil end
      state.left = state.left - 1
      return state.what .. state.left
    end,
    write = function(state, text)
      httpsrv.sleep(0.001)
      if state.what == "full" then return nil, "full", "ENOSPC" end
      log[#log + 1] = text
      return true
    end,
    close = function(state)
      httpsrv.sleep(0.001)
      log[#log + 1] = "close " .. state.what
    end,
    size = function(state) return state.what == "sized" and 18 or nil end,
  })

  before_each(function() log = {} end)

  -- proves: httpsrv.io.define
  it("reads, and closes", function()
    local f = assert(io.open("spec://x"))
    assert.are.equal("x2x1x0", f:read("*a"))
    assert.is_nil(f:read(1))
    f:close()
    httpsrv.sleep(0.01)
    assert.are.same({ "close x" }, log)
  end)

  it("writes all before it closes", function()
    local f = assert(io.open("spec://w"))
    assert(f:write("one"))
    assert(f:write("two"))
    f:close()
    httpsrv.sleep(0.02)
    assert.are.same({ "one", "two", "close w" }, log)
  end)

  it("tells errors", function()
    assert.are.same({ nil, "it is missing", "ENOENT" }, { io.open("spec://missing") })
    assert.are.equal("EACCES", (select(3, assert(io.open("spec://broken")):read(1))))
    assert.are.equal("EIO", (select(3, assert(io.open("spec://raising")):read(1))))
    local full = assert(io.open("spec://full"))
    full:write("x")
    assert.are.equal("ENOSPC", (select(3, full:flush())))
    assert.are.equal(18, assert(io.open("spec://sized")):size())
    assert.is_nil((assert(io.open("spec://x")):size()))
  end)

  it("is a source like any other", function()
    assert.are.equal("<a2a1a0>", io.concat(io.memory("<"), io.open("spec://a"), io.memory(">")):read("*a"))
    local reader = httpsrv.spawn(function() return assert(io.open("spec://b")):read("*a") end)
    assert.are.same({ true, "b2b1b0" }, { reader:wait() })
  end)

  it("refuses what is no definition", function()
    assert.are.equal("EEXIST", (select(3, io.define { scheme = "spec", open = print })))
    assert.are.equal("EEXIST", (select(3, io.define { scheme = "file", open = print })))
    for _, bad in ipairs { {}, { scheme = "x y", open = print }, { scheme = "ok" }, { scheme = "ok", open = print, read = 1 } } do
      assert.has_error(function() io.define(bad) end)
    end
    assert.has_error(function() io.define() end)
  end)
end)

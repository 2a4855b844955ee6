-- Queues, events, semaphores.
local httpsrv = require "httpsrv"

local TIMED_OUT = { nil, "timed out", "ETIMEDOUT" }

local function soon() return httpsrv.now() + 0.01 end

describe("queue", function()
  -- proves: httpsrv.queue, queue:put, queue:get, queue:size
  it("is first in, first out", function()
    local q = httpsrv.queue()
    for i = 1, 100 do assert.is_true(q:put(i)) end
    assert.are.equal(100, q:size())
    for i = 1, 100 do assert.are.equal(i, q:get()) end
    assert.are.equal(0, q:size())
    q:put(false)
    assert.is_false(q:get())
  end)

  it("hands values to those who wait, in their order", function()
    local q = httpsrv.queue()
    local got, tasks, begun = {}, {}, 0
    for i = 1, 3 do
      tasks[i] = httpsrv.spawn(function()
        begun = begun + 1
        local v = q:get()
        got[#got + 1] = i .. v
      end)
    end
    repeat httpsrv.sleep(0.001) until begun == 3
    for _, v in ipairs { "a", "b", "c" } do q:put(v) end
    for i = 1, 3 do tasks[i]:wait() end
    assert.are.same({ "1a", "2b", "3c" }, got)
  end)

  it("holds so many, then put waits", function()
    local q = httpsrv.queue(2)
    local put = 0
    local task = httpsrv.spawn(function() for i = 1, 5 do q:put(i) put = i end end)
    httpsrv.sleep(0.001)
    assert.are.equal(2, put)
    assert.are.equal(1, q:get())
    httpsrv.sleep(0.001)
    assert.are.equal(3, put)
    for i = 2, 5 do assert.are.equal(i, q:get()) end
    task:wait()
    assert.are.equal(5, put)
  end)

  it("gives up at the deadline, and loses nothing by it", function()
    local q = httpsrv.queue(1)
    assert.are.same(TIMED_OUT, { q:get(soon()) })
    assert.are.same(TIMED_OUT, { q:get(0) })
    q:put("x")
    assert.are.same(TIMED_OUT, { q:put("y", soon()) })
    assert.are.equal("x", q:get())
    assert.are.same(TIMED_OUT, { q:get(soon()) })
    q:put("z")
    assert.are.equal("z", q:get(soon()))
  end)

  it("skips those who were cancelled", function()
    local q = httpsrv.queue(1)
    local first = httpsrv.spawn(function() return q:get() end)
    local second = httpsrv.spawn(function() return q:get() end)
    httpsrv.sleep(0.001)
    first:cancel()
    q:put("x")
    assert.are.same({ true, "x" }, { second:wait() })
    q:put(1)
    local putter = httpsrv.spawn(function() q:put("lost") end)
    httpsrv.sleep(0.001)
    putter:cancel()
    putter:wait()
    assert.are.equal(1, q:get())
    assert.are.same(TIMED_OUT, { q:get(soon()) })
  end)

  it("a value that was handed over is not lost when its taker is cancelled at that moment", function()
    local q = httpsrv.queue()
    local begun, got
    local task = httpsrv.spawn(function()
      begun = true
      got = q:get()
      httpsrv.sleep(10)
    end)
    while not begun do httpsrv.sleep(0.001) end
    q:put("x")
    task:cancel()
    assert.are.same({ false, httpsrv.cancelled }, { task:wait() })
    assert.are.equal("x", got)
  end)

  it("keeps nothing of those who gave up", function()
    local q = httpsrv.queue()
    local keeper = httpsrv.spawn(function() return q:get() end)
    httpsrv.sleep(0.001)
    for _ = 1, 100 do q:get(httpsrv.now() - 1) end
    local waiting, node = 0, q.getters.next
    while node ~= q.getters do
      waiting, node = waiting + 1, node.next
    end
    assert.are.equal(1, waiting)
    q:put("x")
    assert.are.same({ true, "x" }, { keeper:wait() })
  end)

  it("refuses what it cannot hold", function()
    for _, bad in ipairs { 0, -1, 1.5, "x" } do
      assert.has_error(function() httpsrv.queue(bad) end)
    end
    local _, err = pcall(function() httpsrv.queue():put(nil) end)
    assert.is_truthy(err:match("sync_spec%.lua:%d+: bad argument #1 to 'put' %(value expected%)$"), err)
    assert.has_error(function() httpsrv.queue():get("soon") end)
  end)
end)

describe("event", function()
  it("wakes everyone who waits, and lets later ones pass", function()
    local e = httpsrv.event()
    local tasks = {}
    for i = 1, 3 do tasks[i] = httpsrv.spawn(function() return e:wait() end) end
    httpsrv.sleep(0.001)
    assert.is_false(e:is_set())
    e:set()
    for i = 1, 3 do assert.are.same({ true, true }, { tasks[i]:wait() }) end
    assert.is_true(e:wait())
    assert.is_true(e:is_set())
  end)

  -- proves: httpsrv.event, event:set, event:clear, event:wait, event:is_set
  it("can be cleared, and has deadlines", function()
    local e = httpsrv.event()
    assert.is_false(e:is_set())
    e:set()
    assert.is_true(e:is_set())
    e:clear()
    assert.is_false(e:is_set())
    assert.are.same(TIMED_OUT, { e:wait(soon()) })
    e:set()
    assert.is_true(e:wait(soon()))
  end)
end)

describe("semaphore", function()
  -- proves: httpsrv.semaphore, semaphore:acquire, semaphore:release
  it("lets so many in", function()
    local s = httpsrv.semaphore(2)
    local inside, most, tasks = 0, 0, {}
    for i = 1, 6 do
      tasks[i] = httpsrv.spawn(function()
        s:acquire()
        inside = inside + 1
        most = math.max(most, inside)
        httpsrv.sleep(0.001)
        inside = inside - 1
        s:release()
      end)
    end
    for i = 1, 6 do tasks[i]:wait() end
    assert.are.equal(2, most)
    assert.are.equal(2, s.count)
  end)

  it("has deadlines, and gives a place to the next who waits", function()
    local s = httpsrv.semaphore()
    assert.is_true(s:acquire())
    assert.are.same(TIMED_OUT, { s:acquire(soon()) })
    local task = httpsrv.spawn(function() return s:acquire() end)
    httpsrv.sleep(0.001)
    s:release()
    assert.are.equal(0, s.count)
    assert.are.same({ true, true }, { task:wait() })
    s:release()
    assert.are.equal(1, s.count)
    assert.has_error(function() httpsrv.semaphore(-1) end)
  end)
end)

describe("all of them", function()
  it("say what they are", function()
    assert.are.equal("queue (0)", tostring(httpsrv.queue()))
    assert.are.equal("event", tostring(httpsrv.event()))
    assert.are.equal("semaphore (3)", tostring(httpsrv.semaphore(3)))
  end)

  it("raise where nothing can wait, and are whole after it", function()
    local q, e, s = httpsrv.queue(), httpsrv.event(), httpsrv.semaphore(0)
    for _, fn in ipairs { function() q:get() end, function() e:wait() end, function() s:acquire() end } do
      local ok, err = pcall(string.gsub, "x", "x", fn)
      assert.is_false(ok)
      assert.is_truthy(err:find("cannot wait inside string.gsub", 1, true), err)
    end
    q:put("x")
    assert.are.equal("x", q:get())
    s:release()
    assert.are.equal(1, s.count)
  end)
end)

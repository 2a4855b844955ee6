-- Tasks: spawn, wait, cancel, shield.
local httpsrv = require "httpsrv"

describe("spawn", function()
  it("before a sleep begins before it ends before a sleep begin before it ends, however late the loop is", function()
    local order = {}
    local sleeper = httpsrv.spawn(function()
      httpsrv.spawn(function() order[#order + 1] = "spawned" end)
      httpsrv.sleep(0.001)
      order[#order + 1] = "slept"
    end)
    httpsrv.spawn(function() -- keeps the loop from looking before the sleep is over
      local till = os.clock() + 0.005
      while os.clock() < till do end
    end)
    sleeper:wait()
    assert.are.same({ "spawned", "slept" }, order)
  end)

  it("runs beside, later than its caller goes on", function()
    local order = {}
    local task = httpsrv.spawn(function(a, b) order[#order + 1] = a .. b end, "task", "!")
    order[#order + 1] = "caller"
    task:wait()
    assert.are.same({ "caller", "task!" }, order)
  end)

  -- proves: httpsrv.spawn, task:wait
  it("gives what the function returns, nil among it", function()
    local task = httpsrv.spawn(function(...) return ... end, 1, nil, 3, nil)
    assert.are.equal(5, select("#", task:wait()))
    assert.are.same({ true, 1, nil, 3 }, { task:wait() })
    assert.is_true(task:is_done())
    assert.are.same({ true, 1, nil, 3 }, { task:wait() })
  end)

  it("gives the error, whatever it is", function()
    local value = {}
    assert.are.same({ false, value }, { httpsrv.spawn(function() error(value) end):wait() })
    local ok, err = httpsrv.spawn(function() error("boom") end):wait()
    assert.is_false(ok)
    assert.is_truthy(err:match("task_spec%.lua:%d+: boom$"))
    assert.are.same({ false, nil }, { httpsrv.spawn(function() error() end):wait() })
  end)

  it("can be waited for by several, and again", function()
    local task = httpsrv.spawn(function() httpsrv.sleep(0.005) return "x" end)
    local others = {}
    for i = 1, 3 do others[i] = httpsrv.spawn(function() return task:wait() end) end
    for i = 1, 3 do assert.are.same({ true, true, "x" }, { others[i]:wait() }) end
    assert.are.same({ true, "x" }, { task:wait() })
  end)

  it("waits no longer than the deadline", function()
    local task = httpsrv.spawn(function() httpsrv.sleep(10) end)
    local begun = httpsrv.now()
    assert.are.same({ nil, "timed out", "ETIMEDOUT" }, { task:wait(httpsrv.now() + 0.01) })
    assert.is_true(httpsrv.now() - begun < 5)
    assert.are.same({ nil, "timed out", "ETIMEDOUT" }, { task:wait(httpsrv.now() - 1) })
    task:cancel()
  end)

  it("cannot wait for itself", function()
    local task
    task = httpsrv.spawn(function() return pcall(task.wait, task) end)
    local _, ok, err = task:wait()
    assert.is_false(ok)
    assert.is_truthy(err:find("cannot wait for itself", 1, true))
  end)

  -- proves: httpsrv.spawn_detached, httpsrv.live, task:is_done
  it("detached gives a task too, which is counted while it lives", function()
    local before = httpsrv.live().tasks
    local go_on = httpsrv.event()
    local task = httpsrv.spawn_detached(function(...) go_on:wait() return select("#", ...), ... end, "a", nil)
    httpsrv.sleep(0)
    assert.are.equal(before + 1, httpsrv.live().tasks)
    assert.is_false(task:is_done())
    go_on:set()
    assert.are.same({ true, 2, "a", nil }, { task:wait(httpsrv.now() + 5) })
    assert.is_true(task:is_done())
    assert.are.equal(before, httpsrv.live().tasks)
  end)

  it("refuses what is no function, at the script's line", function()
    local _, err = pcall(httpsrv.spawn, 1)
    assert.is_truthy(err:match("bad argument #1 to 'spawn' %(function expected, got number%)$"), err)
    _, err = pcall(function() httpsrv.spawn_detached() end)
    assert.is_truthy(err:match("^%S*task_spec%.lua:%d+: bad argument #1 to 'spawn_detached' %(function expected, got no value%)$"), err)
  end)

  it("makes thousands", function()
    local n = 0
    local tasks = {}
    for i = 1, 3000 do tasks[i] = httpsrv.spawn(function() httpsrv.sleep(0.001) n = n + i end) end
    for i = 1, 3000 do tasks[i]:wait() end
    assert.are.equal(3000 * 3001 / 2, n)
  end)
end)

describe("cancel", function()
  -- proves: task:cancel
  it("ruling 3: raises the one value at the wait and at every later one", function()
    local raised = {}
    local task = httpsrv.spawn(function()
      for i = 1, 3 do raised[i] = select(2, pcall(httpsrv.sleep, 10)) end
      error(raised[1], 0)
    end)
    httpsrv.sleep(0.001)
    task:cancel()
    assert.are.same({ false, httpsrv.cancelled }, { task:wait() })
    for i = 1, 3 do assert.are.equal(httpsrv.cancelled, raised[i]) end
    assert.are.equal("cancelled", tostring(httpsrv.cancelled))
    task:cancel() -- nothing happens twice
  end)

  it("reaches every kind of wait", function()
    local r = httpsrv.io.pipe()
    local forever = httpsrv.spawn(function() httpsrv.sleep(100) end)
    local waits = {
      sleep = function() httpsrv.sleep(100) end,
      queue_get = function() httpsrv.queue():get() end,
      queue_put = function() local q = httpsrv.queue(1) q:put(1) q:put(2) end,
      event = function() httpsrv.event():wait() end,
      semaphore = function() httpsrv.semaphore(0):acquire() end,
      task = function() forever:wait() end,
      read = function() r:read(1) end,
      child = function() httpsrv.io.popen({ "sleep", "100" }):wait() end,
      generator = function() httpsrv.io.generator(function() httpsrv.sleep(100) end):read(1) end,
      coroutine = function() coroutine.wrap(httpsrv.sleep)(100) end,
    }
    for name, fn in pairs(waits) do
      local task = httpsrv.spawn(fn)
      httpsrv.sleep(0.002)
      assert.is_false(task:is_done(), name)
      task:cancel()
      assert.are.same({ false, httpsrv.cancelled }, { task:wait() }, name)
    end
    forever:cancel()
  end)

  it("drops a task that goes on waiting, after 16 more", function()
    local n = 0
    local task = httpsrv.spawn(function() while true do pcall(httpsrv.sleep, 10) n = n + 1 end end)
    httpsrv.sleep(0.001)
    task:cancel()
    assert.are.same({ false, httpsrv.cancelled }, { task:wait() })
    assert.are.equal(17, n)
  end)

  it("before the beginning means that it never runs", function()
    local ran = false
    local task = httpsrv.spawn(function() ran = true end)
    task:cancel()
    assert.are.same({ false, httpsrv.cancelled }, { task:wait() })
    assert.is_false(ran)
  end)

  it("of a task that waits for nothing takes effect at its next wait", function()
    local task
    task = httpsrv.spawn(function()
      task:cancel()
      return (pcall(httpsrv.sleep, 1))
    end)
    assert.are.same({ true, false }, { task:wait() })
  end)
end)

describe("shield", function()
  -- proves: httpsrv.shield
  it("gives what the function gives, and its errors", function()
    assert.are.same({ 1, nil, 3 }, { httpsrv.shield(function(...) httpsrv.sleep(0.001) return ... end, 1, 1, nil, 3) })
    local value = {}
    assert.are.same({ false, value }, { pcall(httpsrv.shield, function() error(value) end, 1) })
    assert.has_error(function() httpsrv.shield(1, 1) end)
    assert.has_error(function() httpsrv.shield(print, -1) end)
  end)

  it("ruling 3: keeps a cancellation away, which comes after it", function()
    local steps, begun = {}, false
    local task = httpsrv.spawn(function()
      httpsrv.shield(function()
        begun = true
        httpsrv.sleep(0.01)
        steps[#steps + 1] = "cleaned"
        httpsrv.shield(function() httpsrv.sleep(0.01) end, 1)
        steps[#steps + 1] = "nested"
      end, 5)
      steps[#steps + 1] = tostring(select(2, pcall(httpsrv.sleep, 10)))
    end)
    while not begun do httpsrv.sleep(0.001) end
    task:cancel()
    task:wait()
    assert.are.same({ "cleaned", "nested", "cancelled" }, steps)
  end)

  it("ruling 3: holds only so long", function()
    local begun = false
    local task = httpsrv.spawn(function() httpsrv.shield(function() begun = true httpsrv.sleep(100) end, 0.01) end)
    while not begun do httpsrv.sleep(0.001) end
    task:cancel()
    local cancelled_at = httpsrv.now()
    assert.are.same({ false, httpsrv.cancelled }, { task:wait() })
    assert.is_true(httpsrv.now() - cancelled_at < 5)
  end)
end)

describe("sleep", function()
  -- proves: httpsrv.sleep
  it("takes its time, and gives others theirs", function()
    local order = {}
    local tasks = {}
    for i = 3, 1, -1 do
      tasks[#tasks + 1] = httpsrv.spawn(function() httpsrv.sleep(i * 0.02) order[#order + 1] = i end)
    end
    for _, t in ipairs(tasks) do t:wait() end
    assert.are.same({ 1, 2, 3 }, order)
    assert.is_true(httpsrv.sleep(0))
  end)

  -- proves: httpsrv.now
  it("takes no less than it should by the clock for deadlines", function()
    local begun = httpsrv.now()
    assert.is_true(httpsrv.sleep(0.01))
    local ended = httpsrv.now()
    assert.are.same({ "number", "number" }, { type(begun), type(ended) })
    assert.is_true(ended - begun >= 0.01)
  end)

  it("refuses what is no time", function()
    for _, bad in ipairs { -1, 0 / 0, "x", {}, false } do
      local _, err = pcall(httpsrv.sleep, bad)
      assert.is_truthy(err:find("bad argument #1 to 'sleep'", 1, true), err)
    end
  end)
end)

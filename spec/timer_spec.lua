-- Timers.
local httpsrv = require "httpsrv"

describe("timer", function()
  -- proves: httpsrv.timer.after, timer:name
  it("after runs once, later", function()
    local n = 0
    local t = httpsrv.timer.after(0.01, function() n = n + 1 end, "name")
    assert.are.equal("name", t:name())
    assert.are.equal("timer name (set)", tostring(t))
    assert.are.equal(0, n)
    httpsrv.sleep(0.05)
    assert.are.equal(1, n)
    assert.are.equal("timer name (stopped)", tostring(t))
    assert.is_nil(httpsrv.timer.after(0, print and function() end):name())
  end)

  -- proves: httpsrv.timer.at
  it("at runs at a time, at once when that is over", function()
    local done = httpsrv.event()
    httpsrv.timer.at(os.time() - 100, function() done:set() end)
    assert.is_true(done:wait(httpsrv.now() + 5))
    local begun = httpsrv.now()
    done:clear()
    httpsrv.timer.at(os.time() + 1, function() done:set() end)
    assert.is_true(done:wait(httpsrv.now() + 5))
    assert.is_true(httpsrv.now() - begun < 3)
  end)

  -- proves: httpsrv.timer.every
  it("every runs again and again, and may wait", function()
    local done = httpsrv.queue()
    local t = httpsrv.timer.every(0.005, function() httpsrv.sleep(0.001) done:put(true) end)
    for _ = 1, 5 do assert.is_true(done:get(httpsrv.now() + 5)) end
    assert.is_true(t:stop())
    assert.is_false(t:stop())
    httpsrv.sleep(0.02)
    local n = done:size()
    httpsrv.sleep(0.02)
    assert.are.equal(n, done:size())
  end)

  it("a run that takes too long lets the next ones out", function()
    local running, most, n = 0, 0, 0
    local t = httpsrv.timer.every(0.002, function()
      running, n = running + 1, n + 1
      most = math.max(most, running)
      httpsrv.sleep(0.02)
      running = running - 1
    end)
    httpsrv.sleep(0.06)
    t:stop()
    assert.are.equal(1, most)
    assert.is_true(n >= 2 and n <= 4)
  end)

  -- proves: timer:stop, timer:start
  it("stop and start", function()
    local n = 0
    local t = httpsrv.timer.after(0.01, function() n = n + 1 end)
    assert.is_true(t:stop())
    httpsrv.sleep(0.03)
    assert.are.equal(0, n)
    assert.is_true(t:start())
    httpsrv.sleep(0.03)
    assert.are.equal(1, n)
    assert.is_true(t:start())
    httpsrv.sleep(0.03)
    assert.are.equal(2, n)
  end)

  it("goes on when nobody holds it", function()
    local before = httpsrv.live().timers
    local n = 0
    httpsrv.timer.after(0.02, function() n = n + 1 end)
    for _ = 1, 3 do collectgarbage() end
    assert.are.equal(before + 1, httpsrv.live().timers)
    httpsrv.sleep(0.05)
    assert.are.equal(1, n)
    assert.are.equal(before, httpsrv.live().timers)
  end)

  it("refuses what makes no sense", function()
    assert.has_error(function() httpsrv.timer.every(0, function() end) end)
    assert.has_error(function() httpsrv.timer.after(-1, function() end) end)
    assert.has_error(function() httpsrv.timer.at("noon", function() end) end)
    local _, err = pcall(function() httpsrv.timer.after(1) end)
    assert.is_truthy(err:match("^%S*timer_spec%.lua:%d+: bad argument #2 to 'after' %(function expected, got no value%)$"), err)
  end)
end)

-- Coroutines that a script makes: they behave as Lua's do, and can wait.
local httpsrv = require "httpsrv"

local function nap() httpsrv.sleep(0.001) end

describe("coroutines", function()
  it("pass values in and out as ever", function()
    local co = coroutine.create(function(a, b)
      local c = coroutine.yield(a + b)
      local d, e = coroutine.yield(c * 2)
      return d + e, "end"
    end)
    assert.are.same({ true, 3 }, { coroutine.resume(co, 1, 2) })
    assert.are.same({ true, 20 }, { coroutine.resume(co, 10) })
    assert.are.equal("suspended", coroutine.status(co))
    assert.are.same({ true, 7, "end" }, { coroutine.resume(co, 3, 4) })
    assert.are.equal("dead", coroutine.status(co))
    assert.are.same({ false, "cannot resume dead coroutine" }, { coroutine.resume(co) })
  end)

  it("keep nil among the values", function()
    local co = coroutine.wrap(function(...)
      assert.are.equal(3, select("#", ...))
      assert.are.equal(2, select("#", coroutine.yield(nil, nil)))
      return nil
    end)
    assert.are.equal(2, select("#", co(nil, nil, nil)))
    assert.are.equal(1, select("#", co(nil, nil)))
  end)

  it("raise errors as Lua's do", function()
    local value = {}
    assert.are.same({ false, value }, { pcall(coroutine.wrap(function() error(value) end)) })
    local _, err = pcall(coroutine.wrap(function() error("boom", 0) end))
    assert.is_truthy(err:find("boom", 1, true))
    assert.has_error(function() coroutine.resume(1) end)
    assert.has_error(function() coroutine.wrap(1) end)
    assert.has_error(function() coroutine.status(1) end)
    local ok, msg = coroutine.resume(coroutine.running())
    assert.is_false(ok)
    assert.is_string(msg)
  end)

  it("wait without anybody seeing it", function()
    local co = coroutine.wrap(function(a)
      nap()
      local b = coroutine.yield(a .. "1")
      nap()
      return b .. "2"
    end)
    assert.are.equal("a1", co("a"))
    assert.are.equal("b2", co("b"))
  end)

  it("wait in coroutines in coroutines", function()
    local function nest(depth)
      if depth == 0 then
        nap()
        return "bottom"
      end
      return coroutine.wrap(function() return nest(depth - 1) .. depth end)()
    end
    assert.are.equal("bottom12345678", nest(8))
  end)

  it("wait through iterators, pcall and metamethods inside", function()
    local co = coroutine.wrap(function()
      for i in coroutine.wrap(function()
        for i = 1, 3 do
          nap()
          coroutine.yield(i)
        end
      end) do
        local ok, v = pcall(function() return setmetatable({}, { __index = function(_, k) nap() return k end })[i] end)
        coroutine.yield(ok and v)
      end
    end)
    assert.are.same({ 1, 2, 3 }, { co(), co(), co() })
  end)

  it("are normal to others while they wait, and running to themselves", function()
    local co
    co = coroutine.create(function()
      assert.are.equal("running", coroutine.status(co))
      nap()
      assert.are.equal("running", coroutine.status(co))
      return "mine"
    end)
    local seen
    local other = httpsrv.spawn(function() seen = { coroutine.status(co), coroutine.resume(co) } end)
    local _, result = coroutine.resume(co)
    other:wait()
    assert.are.equal("mine", result)
    assert.are.same({ "normal", false, "cannot resume non-suspended coroutine" }, seen)
  end)

  it("raise the cancellation inside", function()
    local inside
    local task = httpsrv.spawn(function()
      coroutine.wrap(function()
        local _, err = pcall(httpsrv.sleep, 10)
        inside = err
        error(err, 0)
      end)()
    end)
    httpsrv.sleep(0.001)
    task:cancel()
    assert.are.same({ false, httpsrv.cancelled }, { task:wait() })
    assert.are.equal(httpsrv.cancelled, inside)
  end)

  it("that were left in a wait do no harm when they are collected", function()
    local task = httpsrv.spawn(function()
      coroutine.wrap(function() while true do pcall(httpsrv.sleep, 10) end end)()
    end)
    httpsrv.sleep(0.001)
    task:cancel()
    assert.are.same({ false, httpsrv.cancelled }, { task:wait() })
    collectgarbage()
    collectgarbage()
  end)

  it("ruling 28: where it cannot wait the error names the C function and the script's line", function()
    local _, err = pcall(table.sort, { 2, 1 }, function() nap() end)
    assert.is_truthy(err:match("coroutine_spec%.lua:%d+: cannot wait inside table%.sort$"), err)
    _, err = pcall(string.gsub, "x", "x", function() coroutine.wrap(nap)() end)
    assert.is_truthy(err:match("cannot wait inside string%.gsub$"), err)
    assert.is_true(httpsrv.async_ok())
    string.gsub("x", "x", function() assert.is_false(httpsrv.async_ok()) end)
  end)

  it("print and tostring wait for __tostring", function()
    assert.are.equal("slow", tostring(setmetatable({}, { __tostring = function() nap() return "slow" end })))
  end)
end)

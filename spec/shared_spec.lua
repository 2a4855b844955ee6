-- What workers share, and what each does at its beginning and end.
local httpsrv = require "httpsrv"
local S = require "support.server"
local timed = S.timed

local numbers = 0

-- A dictionary of a name that no other test has.
local function fresh(size)
  numbers = numbers + 1
  return assert(httpsrv.shared("spec " .. numbers, size or "64K"))
end

local function raises(fn, text)
  local ok, err = pcall(fn)
  assert.is_false(ok)
  assert.is_truthy(tostring(err):find(text, 1, true), err)
end

describe("shared memory", function()
  -- proves: httpsrv.shared
  it("is had by name", function()
    local d = fresh()
    assert.are.equal(d, httpsrv.shared("spec " .. numbers, "1M"))
    assert.are.equal(d, httpsrv.shared("spec " .. numbers))
    assert.are.equal(65536, d:stat().size)
    assert.are.equal("shared memory 'spec " .. numbers .. "'", tostring(d))
    assert.are.same({ nil, "there is none of that name, and no size was given", "ENOENT" }, { httpsrv.shared("no such") })
    assert.are.same("ENOSPC", (select(3, httpsrv.shared("large", "100G"))))
    for text, call in pairs {
      ["name of 1 to 128 bytes"] = function() httpsrv.shared("", 20000) end,
      ["string expected, got no value"] = function() httpsrv.shared() end,
      ["size of at least 16384 bytes"] = function() httpsrv.shared("x", 100) end,
      ["#2"] = function() httpsrv.shared("x", "10X") end,
    } do
      raises(call, text)
    end
  end)

  -- proves: shared:set, shared:get
  it("keeps strings, numbers and booleans", function()
    local d = fresh()
    for _, value in ipairs { "text", "", ("long "):rep(5000), "\0\255", 1.5, -3, 0, true, false } do
      assert.is_true(d:set("key", value))
      assert.are.equal(value, d:get("key"))
    end
    assert.is_nil(d:get("other"))
    assert.is_true(d:set("key", nil))
    assert.is_nil(d:get("key"))
    assert.is_true(d:set(12, "number as key"))
    assert.are.equal("number as key", d:get("12"))
    assert.are.same({ nil, "larger than all of the memory", "ENOSPC" }, { d:set("key", ("x"):rep(100000)) })
    raises(function() d:set("key", {}) end, "string, number or boolean expected, got table")
    raises(function() d:set("", 1) end, "key of 1 to 65535 bytes")
    raises(function() d:get(nil) end, "bad argument #1 to 'get'")
    raises(function() d.get({}, "key") end, "bad self")
    raises(function() d:set("key", 1, -1) end, "bad argument #3 to 'set'")
  end)

  -- proves: shared:add, shared:replace, shared:delete
  it("sets what is not there, or only what is", function()
    local d = fresh()
    assert.are.same({ nil, "not found", "ENOENT" }, { d:replace("key", 1) })
    assert.is_true(d:add("key", 1))
    assert.are.same({ nil, "exists", "EEXIST" }, { d:add("key", 2) })
    assert.is_true(d:replace("key", 3))
    assert.are.equal(3, d:get("key"))
    assert.is_true(d:delete("key"))
    assert.is_false(d:delete("key"))
    raises(function() d:add("key", nil) end, "got nil")
  end)

  -- proves: shared:incr
  it("adds to numbers", function()
    local d = fresh()
    assert.are.same({ nil, "not found", "ENOENT" }, { d:incr("n") })
    assert.are.equal(11, d:incr("n", 1, 10))
    assert.are.equal(12, d:incr("n"))
    assert.are.equal(9.5, d:incr("n", -2.5))
    d:set("s", "text")
    assert.are.same({ nil, "not a number", "EINVAL" }, { d:incr("s") })
    assert.are.equal(1, d:incr("short", 1, 0, 0.001))
    httpsrv.sleep(0.005)
    assert.are.equal(1, d:incr("short", 1, 0))
    raises(function() d:incr("n", "x") end, "number expected")
  end)

  -- proves: shared:ttl, shared:expire
  it("lets values end", function()
    local d = fresh()
    assert.are.same({ nil, "not found", "ENOENT" }, { d:ttl("key") })
    assert.are.same({ nil, "not found", "ENOENT" }, { d:expire("key", 1) })
    d:set("key", "x", 1000)
    assert.is_true(d:ttl("key") > 900 and d:ttl("key") <= 1000)
    assert.is_true(d:expire("key", 0))
    assert.are.equal(0, d:ttl("key"))
    assert.is_true(d:expire("key", 0.001))
    httpsrv.sleep(0.005)
    assert.is_nil(d:get("key"))
    raises(function() d:expire("key") end, "number of seconds expected")
  end)

  -- proves: shared:flush, shared:flush_expired, shared:keys, shared:stat
  it("can be looked at and emptied", function()
    local d = fresh()
    for i = 1, 5 do d:set("key " .. i, i, i > 3 and 0.001 or 0) end
    d:get("key 1")
    httpsrv.sleep(0.005)
    assert.are.same({ "key 1", "key 3", "key 2" }, d:keys())
    assert.are.same({ "key 1", "key 3" }, d:keys(2))
    assert.are.equal(5, d:stat().count)
    assert.are.equal(1, d:flush_expired(1))
    assert.are.equal(1, d:flush_expired())
    assert.are.equal(0, d:flush_expired())
    local stat = d:stat()
    assert.are.equal(3, stat.count)
    assert.are.equal(0, stat.evicted)
    assert.are.equal(0, stat.repaired)
    d:flush()
    assert.are.same({}, d:keys(0))
    assert.is_true(d:stat().free > stat.free)
    raises(function() d:keys(-1) end, "whole number expected")
  end)

  it("makes room by what was not used for longest", function()
    local d = fresh("16K")
    d:set("kept", true)
    for i = 1, 1000 do
      assert.is_true(d:set("key " .. i, ("x"):rep(100)))
      assert.is_true(d:get("kept"))
    end
    assert.is_nil(d:get("key 1"))
    assert.are.equal(100, #d:get("key 1000"))
    assert.is_true(d:stat().evicted > 800)
  end)

  it("is one for the threads of pools, too", timed(function()
    local d = fresh()
    local name = "spec " .. numbers
    local ok, sum = httpsrv.run_in_pool("CPU", loadstring "return require('httpsrv').shared((...)):incr('n', 5, 0)", name)
    assert.are.same({ true, 5 }, { ok, sum })
    assert.are.equal(5, d:get("n"))
  end))
end)

describe("workers", function()
  -- proves: httpsrv.worker_id
  it("have numbers", function() assert.are.equal(0, httpsrv.worker_id()) end)

  it("ruling 26: once_per_server is one at a time, and one after the other", timed(function()
    local runs, most, running = 0, 0, 0
    local function fn()
      running = running + 1
      runs, most = runs + 1, math.max(most, running)
      httpsrv.sleep(0.01)
      running = running - 1
    end
    local timers = {}
    for i = 1, 3 do timers[i] = httpsrv.timer.every(0.02, fn, { name = i < 3 and "spec" or nil, once_per_server = true }) end
    timers[3]:stop() -- of another name
    httpsrv.sleep(0.1)
    timers[1]:stop()
    timers[2]:stop()
    assert.is_true(runs >= 2 and most <= 2)
    raises(function() httpsrv.timer.every(1, fn, { once = true }) end, "unknown option 'once'")
    raises(function() httpsrv.timer.every(1, fn, { once_per_server = 1 }) end, "boolean expected")
    local named = httpsrv.timer.every(1, fn, { name = "with a name" })
    assert.are.equal("with a name", named:name())
    named:stop()
  end))

  -- proves: httpsrv.worker_init, httpsrv.worker_exit
  it("do what they are to at their beginning and end", timed(function()
    local s = assert(S.start({ ["a.lua"] = [[
      local httpsrv = require "httpsrv"
      local done = {}
      httpsrv.worker_init(function() httpsrv.sleep(0.02) done[#done + 1] = "first " .. httpsrv.phase() end)
      httpsrv.worker_init(function() done[#done + 1] = "second" end)
      httpsrv.worker_exit(function() httpsrv.sleep(0.01) print("exit") end)
      httpsrv.on_unload(function() print("unload") end)
      httpsrv.register("GET", "/", function(sess) sess:response_append(table.concat(done, ", ")) end)
      httpsrv.register("GET", "/late", function(sess) sess:response_append(tostring(select(2, pcall(httpsrv.worker_init, print)))) end)
    ]] }))
    assert.are.equal("first load, second", s:request("GET", "/").body)
    assert.is_truthy(s:request("GET", "/late").body:find("only while the scripts of a server are loaded"))
    local status, _, log = s:stop()
    assert.are.equal(0, status)
    assert.is_truthy(log:find("unload.*exit"), log)
  end))

  it("do not serve what cannot begin", timed(function()
    local s, log = S.start({ ["a.lua"] = [[require("httpsrv").worker_init(function() error("not today") end)]] })
    assert.is_nil(s)
    assert.is_truthy(log:find("a.lua:1: not today", 1, true), log)
  end))
end)

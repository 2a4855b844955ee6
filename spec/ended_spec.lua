-- THREATS 34: every method of a session and of the ios that it had, after every way that a session can end, from every kind of place.
local S = require "support.server"

local timed = S.timed

-- Where a check runs; each leaves its result in kept.result.
local PLACES = {
  ["another session's handler"] = "kept.result = check()",
  ["a timer"] = "httpsrv.timer.after(0, function() kept.result = check() end)",
  ["a task of another session"] = "httpsrv.spawn(function() kept.result = check() end):wait()",
  ["a task of nobody's"] = "httpsrv.spawn_detached(function() kept.result = check() end)",
  ["a coroutine"] = "coroutine.wrap(function() kept.result = check() end)()",
  ["a generator"] = "assert(httpsrv.io.generator(function(write) kept.result = check() write('x') end):read('*a'))",
  ["a C function"] = "table.sort({ 1, 2 }, function(a, b) kept.result = kept.result or check() return a < b end)",
  ["a metamethod"] = "kept.result = setmetatable({}, { __index = function() return check() end }).x",
}

-- How a session ends. code: of the handler; status: of the response, false where it breaks off; aborted: its ios are closed with it.
local KEEP = "local ended = require 'ended' ended.keep(sess, kept) "
local ENDS = {
  ["well"] = { code = KEEP .. "ended.give(sess, kept)", status = 200 },
  ["by a flush that is final"] = { code = KEEP .. "ended.give(sess, kept) sess:response_flush(true)", status = 200 },
  ["by an error before the head"] = { code = KEEP .. "ended.give(sess, kept) error('on purpose')", status = 500 },
  ["by an error after the head"] = {
    code = KEEP .. "sess:response_append('x') sess:response_flush() ended.give(sess, kept) error('on purpose')", status = false,
  },
  ["by a source that fails"] = {
    code = KEEP .. "sess:response_append('x') sess:response_flush() ended.give(sess, kept) "
      .. "sess:response_io(httpsrv.io.generator(function() error('on purpose') end))", status = false,
  },
  ["when its time is over"] = { code = KEEP .. "httpsrv.sleep(20)", prefix = "/limited/", status = 503, aborted = true },
  ["detached and finished"] = {
    code = KEEP .. "ended.give(sess, kept) sess:detach() httpsrv.spawn(function() httpsrv.sleep(0.005) sess:finish() end)", status = 200,
  },
  ["with a task that still waits"] = {
    code = KEEP .. "ended.give(sess, kept) httpsrv.spawn(function() httpsrv.sleep(20) end)", status = 200,
  },
  ["by a body that is too long"] = {
    code = KEEP .. "local own, free = kept.own, kept.free "
      .. "free.given, free.file, own.given, own.file = own.given, own.file sess:request_data_get_string()",
    prefix = "/small/", chunked = true, status = 413,
  },
  ["when the client goes"] = { code = KEEP .. "ended.give(sess, kept) kept.waiting = true httpsrv.sleep(20)", gone = true, aborted = true },
  ["when the client goes, in clean-up that waits on"] = {
    code = KEEP .. "ended.give(sess, kept) kept.waiting = true for _ = 1, 3 do pcall(httpsrv.sleep, 20) end", gone = true, aborted = true,
  },
  ["when the client goes and the handler does not mind"] = {
    code = KEEP .. "ended.give(sess, kept) kept.waiting = true kept.go_on = httpsrv.event() kept.go_on:wait(httpsrv.now() + 0.05)",
    prefix = "/continue/", gone = true,
  },
  ["when the client goes while it streams"] = {
    code = KEEP .. "ended.give(sess, kept) sess:response_io(httpsrv.io.generator(function(write) "
      .. "while true do write('x') kept.waiting = true httpsrv.sleep(0.001) end end))", gone = true,
  },
  ["when the client of a detached one goes"] = {
    code = KEEP .. "ended.give(sess, kept) sess:detach() kept.waiting = true", gone = true, aborted = true,
  },
}

describe("threat 34: a session that ended", function()
  local server

  setup(function()
    server = assert(S.start("spec/handlers"))
    server:lua("require 'ended'") -- it keeps an io
    server:lua("assert(httpsrv.run_in_pool('one', require, 'ended'))") -- the thread and its state stay
  end)
  teardown(function()
    local status, killed, log = server:stop()
    assert.are.equal(0, status, tostring(killed) .. "\n" .. log:sub(-2000))
  end)

  local function forget()
    server:lua("kept.sess, kept.own, kept.free, kept.child, kept.result, kept.waiting, kept.closed, kept.go_on = nil collectgarbage()")
  end

  -- Makes a request whose session ends in a way.
  local function run(how)
    local target = (how.prefix or "/run/") .. "ends"
    server:handler("ends", how.code)
    local c = server:connect()
    if how.chunked then
      c:send("POST ", target, " HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n14\r\n", ("x"):rep(20), "\r\n0\r\n\r\n")
    else
      c:request("POST", target, { body = "abc" })
    end
    if how.gone then
      server:kept("waiting")
    else
      local r, broken = c:response("POST")
      if how.status then
        assert.are.equal(how.status, r and r.status or broken)
      else
        assert.is_truthy(not r or r.broken)
      end
    end
    c:close()
    S.eventually(function() return server:lua("return tostring(kept.sess):find('finished', 1, true) ~= nil") end)
  end

  -- From the loop, and first from a pool: an io that has outlived the session is still open then.
  local function check_everywhere(name, how, in_pool)
    it(in_pool and name .. ", in a pool as well" or name, timed(function()
      server:nothing_left(function()
        run(how)
        local function look(place, fn, code)
          server:lua("kept.result = nil")
          local check = "local ended = require 'ended' local function check() return ended.%s(kept, %s) end "
          server:lua(check:format(fn, tostring(how.aborted)) .. code)
          assert.are.equal("", server:kept("result"), place)
        end
        if in_pool then look("a pool", "check_in_pool", "kept.result = check()") end
        for place, code in pairs(PLACES) do look(place, "check", code) end
        forget()
      end)
    end))
  end

  for name, how in pairs(ENDS) do
    check_everywhere(name, how, false)
    check_everywhere(name, how, true)
  end

  it("is proper in what remains of its handler", timed(function()
    for _, prefix in ipairs { "/run/", "/limited/" } do
      server:handler("remains", [[
        local ended = require "ended"
        kept.sess, kept.waiting = sess, true
        pcall(httpsrv.sleep, 20)
        local bad = {}
        local n = ended.remains(sess, bad)
        kept.result = { n, table.concat(bad, "\n") }
      ]])
      server:lua("kept.waiting, kept.result = nil")
      local c = server:connect()
      c:request("GET", prefix .. "remains")
      server:kept("waiting")
      if prefix == "/run/" then c:close() end
      local result = server:kept("result")
      assert.is_true(result[1] >= 36)
      assert.are.equal("", result[2], prefix)
      if prefix == "/limited/" then c:close() end
    end
    forget()
  end))

  it("is proper after finish, while its handler still runs", timed(function()
    assert.are.equal("", server:get([[
      sess:detach() sess:response_append("")
      local ok = sess:finish()
      local bad = {}
      if ok ~= true then bad[1] = "finish " .. tostring(ok) end
      for _, call in ipairs { { "response_append", "x" }, { "response_printf", "x" }, { "response_string", "x" }, { "response_io",
        httpsrv.io.memory("x") }, { "response_header_set", "A", "b" }, { "response_status_set", 404 }, { "redirect", "/" },
        { "cookie_set", "a", "b" }, { "finish" } } do
        local done, value, msg, code = pcall(sess[call[1] ], sess, call[2], call[3])
        if not (done and value == nil and type(msg) == "string" and code == "EBADF") then bad[#bad + 1] = call[1] .. tostring(msg) end
      end
      kept.result = table.concat(bad, "\n")
    ]]).body)
    assert.are.equal("", server:kept("result"))
    forget()
  end))
end)

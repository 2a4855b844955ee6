-- Every function that scripts can reach has a test that is marked as its proof ("-- proves:"). What there is is asked of the runtime.
local httpsrv = require "httpsrv"

-- Functions of each kind of value: prefix of their names, and the table that holds them.
local function kinds()
  local io = httpsrv.io
  local function methods(value) return debug.getmetatable(value).__index end
  return {
    ["httpsrv."] = httpsrv, ["httpsrv.io."] = io, ["httpsrv.timer."] = httpsrv.timer,
    ["session:"] = require("httpsrv.session").methods, ["io:"] = methods(io.memory("x")),
    ["timer:"] = methods(httpsrv.timer.after(0, function() end)),
    ["task:"] = methods(httpsrv.spawn(function() end)), ["queue:"] = methods(httpsrv.queue()), ["event:"] = methods(httpsrv.event()),
    ["semaphore:"] = methods(httpsrv.semaphore()), ["child:"] = methods(assert(io.popen({ "true" }))),
    ["command:"] = require("httpsrv.control").methods, ["httpsrv.auth."] = require "httpsrv.auth",
    ["msys."] = require "msys", ["msys.core."] = require "msys.core",
    ["msys.httpsrv."] = require "msys.httpsrv", ["msys.timer."] = require "msys.timer",
    ["msys.threadpool."] = require "msys.threadpool", ["ec_string:"] = require("msys.lib.string").methods,
    ["thread."] = require "thread", ["mutex:"] = require("thread").mutex_meta.__index,
  }
end

-- Names on lines of marks in all specs.
local function marked()
  local found = {}
  local child = assert(httpsrv.io.popen({ "sh", "-c", "cat spec/*_spec.lua" }))
  for line in child.stdout:lines() do
    local names = line:match("^%s*%-%- proves: (.*)$")
    for name in (names or ""):gmatch("[%w_.:]+") do found[name] = true end
  end
  assert(child:wait() == 0)
  return found
end

describe("proofs", function()
  it("there is one for every function that the runtime has", function()
    local found, missing, n = marked(), {}, 0
    for prefix, holder in pairs(kinds()) do
      for name, value in pairs(holder) do
        if type(value) == "function" then
          n = n + 1
          if not found[prefix .. name] then missing[#missing + 1] = prefix .. name end
        end
      end
    end
    table.sort(missing)
    assert.are.same({}, missing)
    assert.is_true(n >= 100)
  end)
end)

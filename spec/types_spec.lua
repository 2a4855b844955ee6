-- The types for the language server say what there is, no more and no less.
local httpsrv = require "httpsrv"

describe("types", function()
  local text

  setup(function()
    local file = assert(io.open("lua/types/httpsrv.d.lua"))
    text = file:read("*a")
    file:close()
  end)

  -- The functions of a class in the file: "function NAME.f(" and "function NAME:f(".
  local function declared(name)
    local found = {}
    for fname in text:gmatch("\nfunction " .. name .. "[.:]([%w_]+)%(") do found[fname] = true end
    return found
  end

  local function functions(t)
    local found = {}
    for name, value in pairs(t) do
      if type(value) == "function" then found[name] = true end
    end
    return found
  end

  it("have every function of each kind of value, and no other", function()
    assert.are.same(functions(httpsrv), declared("httpsrv"))
    assert.are.same(functions(httpsrv.io), declared("iolib"))
    assert.are.same(functions(httpsrv.timer), declared("timerlib"))
    assert.are.same(functions(require("httpsrv.session").methods), declared("session"))
    assert.are.same(functions(require("httpsrv.control").methods), declared("command"))
    assert.are.same(functions(debug.getmetatable(httpsrv.io.memory("x")).__index), declared("io"))
    assert.are.same(functions(debug.getmetatable(httpsrv.timer.after(0, function() end)).__index), declared("timer"))
    assert.are.same(functions(getmetatable(httpsrv.queue()).__index), declared("queue"))
    assert.are.same(functions(getmetatable(httpsrv.event()).__index), declared("event"))
    assert.are.same(functions(getmetatable(httpsrv.semaphore()).__index), declared("semaphore"))
    assert.are.same(functions(getmetatable(httpsrv.spawn(function() end)).__index), declared("task"))
    assert.are.same(functions(getmetatable(httpsrv.io.popen({ "true" })).__index), declared("child"))
  end)

  it("have every constant", function()
    for name, value in pairs(httpsrv.io) do
      if type(value) == "number" then assert.is_truthy(text:find("---@field " .. name .. " integer", 1, true), name) end
    end
    for _, name in ipairs { "DONE", "io", "timer", "cancelled", "null", "empty_array" } do
      assert.is_not_nil(httpsrv[name])
      assert.is_truthy(text:find("---@field " .. name .. " ", 1, true), name)
    end
  end)

  it("are Lua", function() assert(loadstring(text)) end)

  it("have the auth schemes", function()
    local httpsrv_text = text
    local file = assert(io.open("lua/types/auth.d.lua"))
    text = file:read("*a")
    file:close()
    assert.are.same(functions(require "httpsrv.auth"), declared("auth"))
    assert(loadstring(text))
    text = httpsrv_text
  end)

  it("have shared memory", function()
    local httpsrv_text = text
    local file = assert(io.open("lua/types/shared.d.lua"))
    text = file:read("*a")
    file:close()
    assert.are.same(functions(getmetatable(httpsrv.shared("types", "64K")).__index), declared("shared"))
    assert(loadstring(text))
    text = httpsrv_text
  end)

  it("have the manual's spelling too", function()
    local httpsrv_text = text
    local file = assert(io.open("lua/types/msys.d.lua"))
    text = file:read("*a")
    file:close()
    local msys, thread = require "msys", require "thread"
    assert.are.same(functions(msys), declared("msys"))
    for _, name in ipairs { "httpsrv", "core", "timer", "threadpool" } do
      assert.are.same(functions(msys[name]), declared("msys%." .. name), name)
    end
    assert.are.same(functions(require("msys.lib.string").methods), declared("ec_string"))
    assert.are.same(functions(thread), declared("thread"))
    assert.are.same(functions(thread.mutex_meta.__index), declared("mutex"))
    local plain = text:gsub("function msys%.%w+%.", "function msys.")
    text = httpsrv_text
    assert(loadstring(plain))
  end)
end)

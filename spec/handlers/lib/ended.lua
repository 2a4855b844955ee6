--- What every method of a session and of an io does when what it stands for is over (THREATS 34). The methods are those that there are.
local httpsrv = require "httpsrv"

local ended = {}

-- Arguments that are right. For methods that are not named here those of ANY are tried.
local SESSION = {
  request_header_get = { "host" }, response_status_set = { 200 }, response_status_set_std = { 200, "OK", "text/plain" },
  response_header_set = { "A", "b" }, response_header_add = { "A", "b" }, response_append = { "x" }, response_printf = { "%s", "x" },
  response_string = { "x" }, response_json = { 1 }, response_xml = { { tag = "a" } },
  response_io = { httpsrv.io.memory("x") }, response_flush = { true },
  redirect = { "/" }, cookie_set = { "a", "b" },
}
local IO = { read = { 1 }, write = { "x" }, seek = { "set", 0 } }
local ANY = { {}, { "x" }, { "x", "y" }, { 200 }, { function() end } }

local function methods_of(object)
  local methods = debug.getmetatable(object).__index
  assert(type(methods) == "table")
  return methods
end

local function is_over(ok, value, msg, code)
  return ok and value == nil and type(msg) == "string" and code == "EBADF"
end

local function try(object, name, known, bad)
  local said
  for _, arguments in ipairs(known[name] and { known[name] } or ANY) do
    local ok, value, msg, code = pcall(object[name], object, unpack(arguments))
    if is_over(ok, value, msg, code) then return end
    said = said or ("%s: %s %s %s %s"):format(name, tostring(ok), tostring(value), tostring(msg), tostring(code))
  end
  bad[#bad + 1] = said
end

--- Calls every method of a session that is over.
-- @return what was not nil, message, "EBADF"; how many there were
function ended.session(sess, bad)
  local n = 0
  for name in pairs(methods_of(sess)) do
    try(sess, name, SESSION, bad)
    n = n + 1
  end
  if not tostring(sess):find("finished", 1, true) then bad[#bad + 1] = "tostring: " .. tostring(sess) end
  if n < 38 then bad[#bad + 1] = "only " .. n .. " methods" end
end

-- Iterators raise what the io says.
local ITERATORS = { chunks = true, lines = true }

--- Calls every method of an io that is over.
function ended.io(io, what, bad)
  local found, n = {}, 0
  for name in pairs(methods_of(io)) do
    n = n + 1
    if ITERATORS[name] then
      local ok, err = pcall(function() return io[name](io)() end)
      if ok or not tostring(err):find("closed", 1, true) then found[#found + 1] = name .. ": " .. tostring(err) end
    else
      try(io, name, IO, found)
    end
  end
  if n < 9 then found[#found + 1] = "only " .. n .. " methods" end
  for _, text in ipairs(found) do bad[#bad + 1] = what .. ": " .. text end
end

--- Calls every method of a session that is being given up, in the handler itself: whatever they say, they say it properly.
function ended.remains(sess, bad)
  local n = 0
  for name in pairs(methods_of(sess)) do
    if name ~= "detach" and name ~= "finish" then
      for _, arguments in ipairs(SESSION[name] and { SESSION[name] } or { {} }) do
        local ok, value, msg, code = pcall(sess[name], sess, unpack(arguments))
        if ok and value == nil and msg ~= nil and not (type(msg) == "string" and type(code) == "string") then
          bad[#bad + 1] = ("%s: %s %s"):format(name, tostring(msg), tostring(code))
        elseif ok and value == true and name:find("^response_append") then
          bad[#bad + 1] = name .. " succeeded"
        elseif not ok and value ~= httpsrv.cancelled then
          bad[#bad + 1] = name .. " raised " .. tostring(value)
        end
        n = n + 1
      end
    end
  end
  return n
end

--- Keeps a session, and ios of every kind: those that are the session's, and those that outlive it when it ends well.
function ended.keep(sess, kept)
  local open = httpsrv.io
  local reader, writer = assert(open.pipe())
  local child = assert(open.popen({ "cat" }))
  kept.sess = sess
  kept.own = { body = assert(sess:request_data_get()), given = open.memory("given"), file = assert(open.open("code.lua")) }
  kept.free = {
    reader = reader, writer = writer, memory = open.memory("x"), tmpfile = assert(open.tmpfile()),
    generator = open.generator(function(write) write("x") end), concat = open.concat(open.memory("a"), open.memory("b")),
    range = open.range(open.memory("abc"), 1, 1), gzip = open.gzip(open.memory("x")), stdin = child.stdin, stdout = child.stdout,
  }
  kept.child = child
end

--- Gives some of them to the response.
function ended.give(sess, kept)
  assert(sess:response_io(kept.own.given))
  assert(sess:response_io(kept.own.file))
end

--- Everything that was kept, of a session that is over.
-- @param aborted no io has outlived it
-- @return what is wrong, as text
function ended.check(kept, aborted)
  local bad = {}
  ended.session(kept.sess, bad)
  for what, io in pairs(kept.own) do ended.io(io, what, bad) end
  for what, io in pairs(kept.free) do
    if select(3, io:close()) ~= "EBADF" and aborted and not kept.closed then bad[#bad + 1] = what .. " has outlived the abort" end
    ended.io(io, what, bad)
  end
  kept.closed = true
  return table.concat(bad, "\n")
end

--- The same from a thread of a pool, of all that can be taken there: the session, and ios that are open. Closes those.
-- @param aborted no io has outlived it
-- @return what is wrong, as text
function ended.check_in_pool(kept, aborted)
  local bad = {}
  local function there(what, fn, ...)
    local ok, said = httpsrv.run_in_pool("one", fn, ...)
    if not ok or said ~= "" then bad[#bad + 1] = what .. " in a pool: " .. tostring(said) end
  end
  there("session", function(sess)
    local found = {}
    ended.session(sess, found)
    return table.concat(found, "\n")
  end, kept.sess)
  local function close_and_check(io, what)
    local found = {}
    if io:close() ~= true then found[1] = what .. " was not open" end
    ended.io(io, what, found)
    return table.concat(found, "\n")
  end
  for _, ios in ipairs { kept.own, kept.free } do
    for what, io in pairs(ios) do
      local taken, err = pcall(there, what, close_and_check, io, what)
      local gone = aborted or ios == kept.own or what == "stdin" or what == "stdout" -- a child ends with its session
      if taken == gone then bad[#bad + 1] = what .. (taken and " was taken" or ": " .. tostring(err)) end
      if not taken and not tostring(err):find("an io that is closed", 1, true) then bad[#bad + 1] = what .. ": " .. tostring(err) end
    end
  end
  kept.closed = true
  return table.concat(bad, "\n")
end

return ended

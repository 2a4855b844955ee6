-- reference.lua - the examples of the reference do what they say, and every public function has one.
-- timeout: 900
package.path = "spec/?.lua;tests/lint/?.lua;tests/api/?.lua;" .. package.path
local c_api = require "c_api"
local examples = require "examples"
local lua_api = require "lua_api"
local support = require "support.server"

local BUILD = os.getenv("BUILD") or "build"
local SERVE = "docs/examples/c/serve.c"
local only = arg[1]

local count, bad = 0, 0

local function result(name, ok, why)
  count = count + 1
  if not ok then bad = bad + 1 end
  print(("%sok %d - %s"):format(ok and "" or "not ", count, name))
  if not ok then print((("\n" .. tostring(why)):gsub("\n", "\n# "):sub(2))) end
end

local function lines(list)
  return #list > 0 and table.concat(list, "\n") .. "\n" or ""
end

local function expect(what, wanted, got)
  if got ~= wanted then error(("%s\nprints\n%sinstead of\n%s"):format(what, got, wanted), 0) end
end

-- Runs the commands of an example against a server at a unix socket, which has its control socket beside it.
local function run_steps(example, socket, control)
  -- The address stays what it is; the connection goes to this server.
  local words = ([[curl() { command curl -s --max-time 20 --unix-socket "%s" "$@"; }
    httpsrv() { verb=$1; shift; "$(readlink "/proc/$PPID/exe")" "$verb" --control "%s" "$@"; }
  ]]):format(socket, control)
  for _, step in ipairs(example.steps) do
    local _, output = support.shell(words .. step.command)
    expect(step.command, lines(step.printed), (output:gsub("\r", ""):gsub("([^\n])$", "%1\n")))
  end
end

local function check_log(example, log)
  for _, text in ipairs(example.logged) do
    if not log:find(text, 1, true) then error(("the log does not say %q:\n%s"):format(text, log), 0) end
  end
end

local function run_lua(example)
  if #example.steps == 0 then
    local place = support.folder({ ["example.lua"] = example.text })
    local status, output = support.shell([[cd "$1" && exec "$(readlink "/proc/$PPID/exe")" lua example.lua 2>&1]], place)
    support.remove(place)
    expect("the example", lines(example.printed), output)
    if status ~= 0 then error("exit status " .. tostring(status), 0) end
    return
  end
  local place = support.folder()
  local control = place .. "/control"
  local server = assert(support.start({ ["example.lua"] = example.text }, "--control", control))
  local ok, err = pcall(run_steps, example, server.socket, control)
  local _, _, log = server:stop()
  support.remove(place)
  if not ok then error(err .. "\n" .. log, 0) end
  check_log(example, log)
end

local function compile(example, place)
  local main = #example.steps > 0 and not example.text:find("\nmain(", 1, true) and SERVE or ""
  local status, said = support.shell([[
    packages="libevent_core json-c libxml-2.0"
    ${CC:-gcc} -std=gnu11 -Wall -Wextra -Werror -g -Icore/include $(pkg-config --cflags $packages) -o "$1/example" "$2" $3 \
      -L"$4/release" -lhttpsrv -Wl,-rpath,"$(cd "$4/release" && pwd)" $(pkg-config --libs $packages) -pthread 2>&1]],
    place, example.path, main, BUILD)
  if status ~= 0 then error(said, 0) end
end

local function run_c(example)
  local place = support.folder()
  local ok, err = pcall(function()
    compile(example, place)
    if #example.steps == 0 then
      local status, output = support.shell([[cd "$1" && ./example 2>&1]], place)
      expect("the example", lines(example.printed), output)
      if status ~= 0 then error("exit status " .. tostring(status), 0) end
      return
    end
    local child = assert(require("httpsrv").io.popen({ "sh", "-c", [[cd "$0" && exec ./example unix:"$0/socket" 2>log]], place }))
    support.eventually(function() return support.shell([[test -S "$1/socket"]], place) == 0 end)
    local done, why = pcall(run_steps, example, place .. "/socket", place .. "/control")
    child:kill(15)
    child:wait()
    local file = assert(io.open(place .. "/log"))
    local log = file:read("*a")
    file:close()
    if not done then error(why .. "\n" .. log, 0) end
    check_log(example, log)
  end)
  support.remove(place)
  if not ok then error(err, 0) end
end

local shown = {}
local list = examples.list(".")
for _, example in ipairs(list) do
  for _, name in ipairs(example.shows) do
    shown[name] = example
  end
  -- serve.c is a part of those that it serves.
  if example.path ~= SERVE and (not only or example.path:find(only, 1, true)) then
    local ok, err = pcall(function()
      if not example.title or #example.shows == 0 then error("does not say what it shows", 0) end
      if #example.printed + #example.steps + #example.logged == 0 then error("does not say what comes of it", 0) end
      support.within(120, function() (example.language == "c" and run_c or run_lua)(example) end)
    end)
    result(example.path, ok, err)
  end
end

-- What is called in an example: "x:name(", ".name(" or, in C, "name(".
local function calls(example, name)
  return example.text:find("%f[%w_]" .. name:match("[%w_]+$") .. "%f[^%w_]%s*[({%[\"']", 1)
    or example.text:find("%f[%w_]" .. name:match("[%w_]+$") .. "%f[^%w_]%s*[,);]", 1)
end

local known, missing = {}, {}
local function need(name)
  known[name] = true
  if not shown[name] then
    missing[#missing + 1] = name .. " has no example"
  elseif not calls(shown[name], name) then
    missing[#missing + 1] = name .. " is not called in " .. shown[name].path
  end
end
for _, header in ipairs(c_api.headers(".")) do
  for _, fn in ipairs(header.functions) do
    need(fn.name)
  end
end
for _, fn in ipairs(lua_api.functions(".")) do
  need(fn.name)
end
for name, example in pairs(shown) do
  if not known[name] then missing[#missing + 1] = example.path .. " shows " .. name .. ", which is no public function" end
end
if not only then result("every public function has an example (docs/examples)", #missing == 0, table.concat(missing, "\n")) end

print("1.." .. count)
os.exit(bad == 0 and count > 0 and 0 or 1)

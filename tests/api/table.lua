-- table.lua - docs/api.md: one row for each public function and the tests that prove it.
--
--   lua table.lua write ROOT   writes docs/api.md
--   lua table.lua check ROOT   says what is wrong with it: it is stale, a function has no test, a mark names no function
--   lua table.lua list ROOT    what tests/api/prove works from: language, function, type or module, program, test; with tabs between
local c_api = require("c_api")
local files = require("files")
local lua_api = require("lua_api")
local marks = require("marks")
local special = require("pairs")

local action, root = arg[1], arg[2] or "."
local PAGE = "docs/api.md"

local headers = c_api.headers(root)
local lua_functions = lua_api.functions(root)
local proved_c, proved_lua = marks.c(root), marks.lua(root)

local lua_known = {}
for _, fn in ipairs(lua_functions) do
  lua_known[fn.name] = fn
end

-- The Lua face of a C function, or nil.
local function face(name)
  local fixed = special[name]
  if fixed ~= nil then
    return fixed and lua_known[fixed] and fixed or nil
  end
  local rules = { { "^ec_httpsrv_", "session:" }, { "^ec_httpsrv_", "httpsrv." }, { "^io_wrapper_", "io:" },
    { "^io_wrapper_", "httpsrv.io." }, { "^", "msys.core." } }
  for _, rule in ipairs(rules) do
    local short, found = name:gsub(rule[1], "", 1)
    if found == 1 and lua_known[rule[2] .. short] then
      return rule[2] .. short
    end
  end
end

local function test_names(list, base)
  local names = {}
  for i, test in ipairs(list or {}) do
    names[i] = ("`%s` %s"):format((test[base]:gsub("^tests/", ""):gsub("^spec/", ""):gsub("%.lua$", "")), test.test:gsub("|", "\\|"))
  end
  return table.concat(names, "<br>")
end

local function row(...)
  return "| " .. table.concat({ ... }, " | ") .. " |"
end

-- The page, and calls empty(name, what, path, line) for each cell without a test.
local function render(empty)
  local out = {
    "# Every public function and the test that proves it",
    "",
    "Made from the headers, the types and the marks in the tests by `make api-table`; `make test` fails when it is stale or a cell",
    "is empty. `make test-api` proves the cells: it puts a stub in the place of each function, and the tests named here have to fail.",
    "“–” says that the function has no face in that language.",
  }
  local shown, c_count = {}, 0
  for _, header in ipairs(headers) do
    if #header.functions > 0 then
      out[#out + 1] = ("\n## `%s`\n\n| C | Lua | C test | spec |\n|---|---|---|---|"):format(header.name)
    end
    for _, fn in ipairs(header.functions) do
      local lua = face(fn.name)
      local c_tests = test_names(proved_c[fn.name], "program")
      local specs = lua and test_names(proved_lua[lua], "spec") or "–"
      if c_tests == "" then
        empty(fn.name, "C test", header.path, fn.line)
      end
      c_count = c_count + 1
      shown[lua or ""] = true
      out[#out + 1] = row("`" .. fn.name .. "`", lua and "`" .. lua .. "`" or "–", c_tests, specs)
    end
  end
  out[#out + 1] = "\n## Lua alone\n\n| Lua | spec |\n|---|---|"
  for _, fn in ipairs(lua_functions) do
    local specs = test_names(proved_lua[fn.name], "spec")
    if specs == "" then
      empty(fn.name, "spec", fn.path, fn.line)
    end
    if not shown[fn.name] then
      out[#out + 1] = row("`" .. fn.name .. "`", specs)
    end
  end
  out[#out + 1] = ("\n%d functions in C, %d in Lua.\n"):format(c_count, #lua_functions)
  return table.concat(out, "\n")
end

-- Marks that name what is no public function.
local function check_marks()
  local c_known = {}
  for _, header in ipairs(headers) do
    for _, fn in ipairs(header.functions) do
      c_known[fn.name] = true
    end
  end
  for _, pair in ipairs({ { proved_c, c_known }, { proved_lua, lua_known } }) do
    for name, tests in pairs(pair[1]) do
      if not pair[2][name] then
        files.report(tests[1].path, tests[1].line, "proves '%s', which is no public function", name)
      end
    end
  end
end

local actions = {}

function actions.write()
  local file = assert(io.open(root .. "/" .. PAGE, "wb"))
  assert(file:write((render(function() end))))
  assert(file:close())
end

function actions.check()
  local text = render(function(name, what, path, line)
    files.report(path, line, "%s: no %s proves it (a comment \"proves: %s\" right above the test)", name, what, name)
  end)
  check_marks()
  local file = io.open(root .. "/" .. PAGE, "rb")
  if not file or file:read("*a") ~= text then
    files.report(PAGE, 1, "is stale: run 'make api-table'")
  end
end

function actions.list()
  for _, header in ipairs(headers) do
    for _, fn in ipairs(header.functions) do
      for _, test in ipairs(proved_c[fn.name] or { { program = "", test = "" } }) do
        print(table.concat({ "c", fn.name, fn.result, test.program, test.test }, "\t"))
      end
    end
  end
  local methods = {} -- class -> the names of all its methods
  for _, fn in ipairs(lua_functions) do
    methods[fn.class] = (methods[fn.class] and methods[fn.class] .. "," or "") .. fn.short
  end
  for _, fn in ipairs(lua_functions) do
    for _, test in ipairs(proved_lua[fn.name] or { { spec = "", test = "" } }) do
      print(table.concat({ "lua", fn.name, methods[fn.class], test.spec, test.test }, "\t"))
    end
  end
end

assert(actions[action], "table.lua write|check|list [ROOT]")()
if action == "check" then
  files.finish(#headers)
end

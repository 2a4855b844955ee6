-- marks.lua - which test proves which function, from the marks in the tests.
--
-- C:    /* proves: dict_blank, dict_drop */    right above a cmocka test function
-- Lua:  -- proves: session:redirect            right above an it()
local files = require("files")

local marks = {}

local function names_of(text)
  local names = {}
  for name in text:gsub("%s*%b()", ""):gmatch("[%w_.:]+") do
    names[#names + 1] = name
  end
  return names
end

local function add(found, names, test)
  for _, name in ipairs(names) do
    found[name] = found[name] or {}
    table.insert(found[name], test)
  end
end

local function line_at(text, pos)
  local _, breaks = text:sub(1, pos):gsub("\n", "")
  return breaks + 1
end

--- C tests: { function = { { program = "tests/base/test_dict", test = "walks" , path =, line = }, ... } }.
function marks.c(root)
  local found = {}
  for _, path in ipairs(files.list(root, { "tests" }, { ".c" })) do
    local text = files.read(root, path)
    for pos, list in text:gmatch("()/%*%s*proves:(.-)%*/") do
      local after = text:match("^/%*.-%*/%s*()", pos)
      local test = text:match("^static%s+void%s+([%w_]+)%s*%(", after)
      if not test then
        files.report(path, line_at(text, pos), "the mark stands above no test function")
      else
        add(found, names_of(list), { program = path:gsub("%.c$", ""), test = test, path = path, line = line_at(text, pos) })
      end
    end
  end
  return found
end

-- The string literal at the beginning of text, as Lua reads it.
local function literal(text)
  local source = text:match('^%s*("[^\n]*)') or text:match("^%s*('[^\n]*)")
  if not source then
    return nil
  end
  for stop = 2, #source do
    if source:sub(stop, stop) == source:sub(1, 1) then
      local chunk = loadstring("return " .. source:sub(1, stop))
      if chunk then
        return not source:find("^%s*%.%.", stop + 1) and chunk() or nil
      end
    end
  end
end

--- Specs: { function = { { spec = "spec/io_spec.lua", test = "reading takes formats", path =, line = }, ... } }.
function marks.lua(root)
  local found = {}
  for _, path in ipairs(files.list(root, { "spec" }, { "_spec.lua" })) do
    local stack, names, marked, number = {}, {}, nil, 0
    for line in (files.read(root, path) .. "\n"):gmatch("(.-)\n") do
      number = number + 1
      local indent, call, rest = line:match("^(%s*)(%a+)%s*%(?%s*(.*)$")
      local mark = line:match("^%s*%-%- proves:(.*)$")
      if mark then
        for _, name in ipairs(names_of(mark)) do
          names[#names + 1] = name
        end
        marked = number
      elseif call == "describe" or call == "context" or call == "it" then
        while #stack > 0 and stack[#stack].indent >= #indent do
          table.remove(stack)
        end
        local title = literal(rest)
        stack[#stack + 1] = { indent = #indent, title = title }
        if call == "it" and #names > 0 then
          local full = {}
          for i, level in ipairs(stack) do
            full[i] = level.title
          end
          if #full < #stack then
            files.report(path, marked, "the test has no name that is written out")
          else
            add(found, names, { spec = path, test = table.concat(full, " "), path = path, line = marked })
          end
          names, marked = {}, nil
        end
      elseif marked and not line:match("^%s*%-%-") then
        files.report(path, marked, "the mark stands above no it()")
        names, marked = {}, nil
      end
    end
  end
  return found
end

return marks

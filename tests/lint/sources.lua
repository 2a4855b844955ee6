-- sources.lua - how files are written: lua sources.lua CHECK ROOT
--
-- opening   each .c and .h of core/ and bindings/ opens with a comment "file.c - what it is"
-- size      no source is longer than 700 lines
-- leftover  nothing says that work is still to be done
-- comments  each function that a header declares has a comment, its own or its paragraph's;
--           inline functions, whose body is there to read, may do without
-- public    prints the functions that the public headers declare, one a line
local files = require("files")

local check, root = arg[1], arg[2] or "."
local checks = {}

local MAX_LINES = 700

function checks.opening()
  local sources = files.list(root, { "core", "bindings" }, { ".c", ".h" })
  for _, path in ipairs(sources) do
    local base = path:match("[^/]+$")
    if files.read(root, path):sub(1, #base + 6) ~= "/* " .. base .. " - " then
      files.report(path, 1, "does not open with a comment \"/* %s - ...\"", base)
    end
  end
  return #sources
end

local everything = { "core", "bindings", "lua", "spec", "examples", "tests" }

function checks.size()
  local sources = files.list(root, everything, { ".c", ".h", ".lua", ".sh" })
  for _, path in ipairs(sources) do
    local _, lines = files.read(root, path):gsub("\n", "\n")
    if lines > MAX_LINES then
      files.report(path, lines, "%d lines, more than %d", lines, MAX_LINES)
    end
  end
  return #sources
end

-- Spelt so that this file is not a finding itself.
local leftovers = { "TO" .. "DO", "FIX" .. "ME", "X" .. "XX", "not " .. "implemented", "un" .. "implemented" }

function checks.leftover()
  local sources = files.list(root, everything, { ".c", ".h", ".lua", ".sh" })
  for _, path in ipairs(sources) do
    local number = 0
    for line in (files.read(root, path) .. "\n"):gmatch("(.-)\n") do
      number = number + 1
      for _, word in ipairs(leftovers) do
        if line:find("%f[%w]" .. word .. "%f[%W]") then
          files.report(path, number, "says %s", word)
        end
      end
    end
  end
  return #sources
end

-- A header without what is no declaration: lines of comments become "\1", directives and what
-- stands in braces "\2". Line breaks stay where they were.
local function skeleton(text)
  local function lines_of(s, mark)
    return mark .. s:gsub("[^\n]", ""):gsub("\n", "\n" .. mark)
  end
  text = text:gsub("/%*.-%*/", function(s) return lines_of(s, "\1") end)
  text = text:gsub("//[^\n]*", "\1")
  text = text:gsub("\\\n", "\3")
  text = ("\n" .. text):gsub("(\n[ \t]*)#([^\n]*)", function(start, directive)
    return start .. "\2" .. directive:gsub("[^\3]", ""):gsub("\3", "\n\2")
  end):sub(2)
  text = text:gsub('extern%s+"C"%s*{', "\2")
  text = text:gsub('"[^"\n]*"', "")
  return (text:gsub("%b{}", function(s) return ";" .. s:gsub("[^\n]", ""):gsub("\n", "\n\2") end))
end

-- The name of the function that a declaration without its attributes declares, or nil.
local function declared_function(declaration)
  local text = declaration:gsub("__attribute__%s*%b()", ""):gsub("%s+", " ")
  if text:find("^ ?typedef ") or text:find("^ ?static inline ") or text:find("^ ?_Static_assert") or not text:find("%(") then
    return nil
  end
  local before, name, next = text:match("^(.-)([%a_][%w_]*) ?%( ?(.)")
  -- A type stands before the name; a pointer to a function has its name inside the parentheses.
  if name and next ~= "*" and before:find("%a") and not before:find("=") then
    return name
  end
end

-- Calls fn(path, line, name, commented) for each function declared in a header.
local function each_function(path, fn)
  local number, commented, line_of_start, declaration = 0, false, nil, ""
  for line in (skeleton(files.read(root, path)) .. "\n"):gmatch("(.-)\n") do
    number = number + 1
    if line:find("\1") then
      commented = true
    elseif line:find("^%s*$") and declaration == "" then
      commented = false
    end
    local rest = line:gsub("[\1\2]", " ")
    while rest ~= "" do
      local head, tail = rest:match("^(.-);(.*)$")
      if declaration == "" and (head or rest):find("%S") then
        line_of_start = number
      end
      declaration = declaration .. (head or rest) .. " "
      if not head then
        break
      end
      local name = declared_function(declaration)
      if name then
        fn(path, line_of_start, name, commented)
      end
      declaration, rest = "", tail
    end
    if not declaration:find("%S") then
      declaration = ""
    end
  end
end

function checks.comments()
  local headers = files.list(root, { "core", "bindings" }, { ".h" })
  for _, path in ipairs(headers) do
    each_function(path, function(_, line, name, commented)
      if not commented then
        files.report(path, line, "%s has no comment", name)
      end
    end)
  end
  return #headers
end

function checks.public()
  local headers = files.list(root, { "core/include" }, { ".h" })
  for _, path in ipairs(headers) do
    each_function(path, function(_, _, name)
      print(name)
    end)
  end
  return #headers
end

files.finish((checks[check] or error("no check " .. tostring(check)))())

-- examples.lua - the examples of the reference: docs/examples/lua/*.lua and docs/examples/c/*.c.
--
-- The first comment names the functions that the example is about and says what it does:
--     -- shows: io:read, io:lines
--     -- Reads a file line by line.
-- More names stand in further lines, set in by three blanks.
-- What it prints stands behind "--> " (in C "//> "), at the line that prints it or below. An example with lines
-- "--$ COMMAND" is served, and the commands print what follows them; "--! TEXT" says that the server logs the text. In C such a file
-- defines routes(), which serve.c calls.
local files = require("files")

local examples = {}

local FOLDERS = { "docs/examples/lua", "docs/examples/c" }

local function parse(root, path)
  local text = files.read(root, path)
  local c = path:match("%.c$") ~= nil
  local mark = c and "//" or "%-%-"
  local example = { path = path, text = text, language = c and "c" or "lua", shows = {}, steps = {}, printed = {}, logged = {}, lines = {} }
  local head = c and text:match("^/%*.-%*/") or ""
  while not c and text:find("^%-%-", #head + 1) do
    head = head .. text:match("^[^\n]*\n", #head + 1)
  end
  -- Names go on in lines that are set in by three.
  local list, title = (head:gsub("\n ?[*%-]+   +", " ")):match("shows:%s*(.-)\n[ *%-]*(.*)$")
  for name in (list or ""):gmatch("[%w_.:]+") do
    example.shows[#example.shows + 1] = name
  end
  title = title and title:gsub("%s*%*/$", "")
  example.title = title and title:gsub("%s*\n[ *%-]*", " "):gsub("%s+$", "")
  example.code = text:sub(#head + 1):gsub("^%s+", "")
  local into = example.printed
  for line in (text .. "\n"):gmatch("(.-)\n") do
    local command, logged = line:match("^%s*" .. mark .. "%$ (.*)$"), line:match("^%s*" .. mark .. "! (.*)$")
    local output = line:match(mark .. "> ?(.*)$")
    if command then
      into = {}
      example.steps[#example.steps + 1] = { command = command, printed = into }
    elseif logged then
      example.logged[#example.logged + 1] = logged
    elseif output then
      into[#into + 1] = output
    end
  end
  return example
end

--- All examples, in the order of their names: { path =, language =, shows = { name... }, title =, code =, printed = { line... },
-- steps = { { command =, printed = }... }, logged = { text... } }.
function examples.list(root)
  local list = {}
  for _, path in ipairs(files.list(root, FOLDERS, { ".lua", ".c" })) do
    list[#list + 1] = parse(root, path)
  end
  return list
end

return examples

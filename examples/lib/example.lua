-- example.lua - an example's file, taken apart: the comment that it opens with, as HTML, and its code.
local page = require "page"

local example = {}

local KEYWORDS = {}
for word in ("and break do else elseif end false for function if in local nil not or repeat return then true until while")
  :gmatch("%a+") do
  KEYWORDS[word] = true
end

-- What code is made of, tried in this order; the class is a span's.
local TOKENS = {
  { "^%-%-[^\n]*", "c" },
  { "^%[%[.-%]%]", "s" },
  { '^"[^"\n]*"', "s" },
  { "^'[^'\n]*'", "s" },
  { "^[%a_][%w_]*", "word" },
  { "^[^%-%[\"'%a_]+" },
  { "^." },
}

local function token(code, at)
  for _, kind in ipairs(TOKENS) do
    local text = code:match(kind[1], at)
    if text then
      return text, kind[2]
    end
  end
end

--- Lua code as HTML, coloured.
function example.highlight(code)
  local out, at = {}, 1
  while at <= #code do
    local text, class = token(code, at)
    if class == "word" then
      class = KEYWORDS[text] and "k"
    end
    local html = page.escape(text)
    out[#out + 1] = class and ('<span class="%s">%s</span>'):format(class, html) or html
    at = at + #text
  end
  return table.concat(out)
end

-- "Open /hello or /hello?name=Ada." as links.
local function links(text)
  return (page.escape(text):gsub("/[%w/?=&;._-]*[%w/]", function(path)
    return ('<a href="%s">%s</a>'):format(path, path)
  end))
end

-- One paragraph: its lines are without the comment's dashes. Indented lines are commands.
local function paragraph(lines)
  if lines[1]:find("^    ") then
    local text = table.concat(lines, "\n"):gsub("%f[^\n%z]    ", "")
    return ("<pre><code>%s</code></pre>\n"):format(page.escape(text))
  end
  local text = table.concat(lines, " ")
  if text:find("^Open ") then
    return ('<p class="open">%s</p>\n'):format(links(text))
  end
  return ("<p>%s</p>\n"):format(page.escape(text))
end

--- Takes a file's text apart.
-- @return { title =, text = HTML of the comment below the title, code = the rest }
function example.parse(source)
  local title, rest = source:match("^%-%- ([^\n]+)\n(.*)$")
  local html, lines = {}, {}
  while true do
    local line, after = rest:match("^%-%- ?([^\n]*)\n(.*)$")
    if line and line ~= "" then
      lines[#lines + 1] = line
    elseif #lines > 0 then
      html[#html + 1] = paragraph(lines)
      lines = {}
    end
    if not line then
      return { title = title, text = table.concat(html), code = rest:gsub("^%s+", "") }
    end
    rest = after
  end
end

return example

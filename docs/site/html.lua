-- html.lua - what the pages of the reference are made of: escaping, code with its colours, text of comments, the frame of a page.
local lexer = require "pl.lexer"

local html = {}

function html.escape(text)
  return (tostring(text):gsub("[&<>\"]", { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;" }))
end

local escape = html.escape

local CLASS = { keyword = "k", string = "s", char = "s", number = "n", comment = "c", prepro = "p" }

-- A comment that says what comes out of the line.
local function comment_class(text)
  return (text:find("^%-%-[>!]") or text:find("^//[>!]")) and "o" or (text:find("^%-%-%$") or text:find("^//%$")) and "r" or "c"
end

--- Source text as HTML. language: "lua", "c", or anything else for no colours.
function html.code(text, language)
  local scan = language == "lua" and lexer.lua or language == "c" and lexer.cpp
  if not scan then
    return escape(text)
  end
  local ok, out = pcall(function()
    local pieces = {}
    for kind, value in scan(text .. "\n", {}, { string = false, number = false }) do
      value = escape(value)
      local class = kind == "comment" and comment_class((value:gsub("&gt;", ">"))) or CLASS[kind]
      if class then -- lines stand for themselves, so that a page may number them
        value = value:gsub("[^\n]+", function(s) return '<span class="' .. class .. '">' .. s .. "</span>" end)
      end
      pieces[#pieces + 1] = value
    end
    return (table.concat(pieces):gsub("\n$", ""))
  end)
  -- What the lexer does not understand is shown plain.
  local plain = ok and out:gsub("<[^>]*>", "")
  return plain == escape(text) and out or escape(text)
end

--- The text of a comment as HTML: paragraphs, what is set in as code, names of functions as links.
-- link(name) gives a function's address, or nil.
function html.prose(text, link)
  local out = {}
  local function inline(s)
    s = escape(s)
    s = s:gsub("`([^`]+)`", "<code>%1</code>")
    s = s:gsub("%f[%w_]([%a_][%w_.:]*[%w_])%f[^%w_]", function(word)
      local to = link(word)
      return to and ('<a href="%s"><code>%s</code></a>'):format(to, word) or nil
    end)
    return (s:gsub("%f[%w_](E[A-Z0-9][A-Z0-9]+)%f[^%w_]", '<span class="e">%1</span>'))
  end
  for paragraph in (text .. "\n\n"):gmatch("(.-)\n%s*\n") do
    if paragraph:find("^    ") or paragraph:find("^\n?%s%s%s+%S") then
      local code = paragraph:gsub("^    ", ""):gsub("\n    ", "\n")
      out[#out + 1] = "<pre>" .. html.code(code, paragraph:find("[;{]") and "c" or "lua") .. "</pre>"
    elseif paragraph:find("%S") then
      -- Lines that are set in stand for themselves: lists of arguments, small drawings.
      local run, set_in = {}, false
      local function flush()
        local body = table.concat(run, "\n")
        if body:find("%S") then
          out[#out + 1] = set_in and "<pre>" .. escape(body) .. "</pre>" or "<p>" .. inline(body) .. "</p>"
        end
        run = {}
      end
      for line in (paragraph .. "\n"):gmatch("(.-)\n") do
        local is_in = line:find("^  ") ~= nil
        if is_in ~= set_in then flush() end
        set_in = is_in
        run[#run + 1] = is_in and line:gsub("^  ", "") or line
      end
      flush()
    end
  end
  return table.concat(out, "\n")
end

local FRAME = [[
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title} – httpsrv</title>
<link rel="stylesheet" href="{up}style.css">
</head>
<body data-up="{up}">
<header>
<a class="home" href="{up}index.html">httpsrv</a>
<form role="search" onsubmit="return false"><input id="q" type="search" placeholder="Search  /" aria-label="Search" autocomplete="off">
<ol id="found" hidden></ol></form>
</header>
<div class="columns">
<nav aria-label="Contents"><details class="menu" open><summary>Contents</summary>{nav}</details></nav>
<main>{body}</main>
</div>
<script src="{up}lunr.min.js"></script>
<script src="{up}search-data.js"></script>
<script src="{up}site.js"></script>
</body>
</html>
]]

--- A whole page. up: the way to the root, such as "../".
function html.page(title, up, nav, body)
  local values = { title = escape(title), up = up, nav = nav, body = body }
  return (FRAME:gsub("{(%w+)}", values))
end

return html

-- c_api.lua - the public C API as its headers write it: functions, types and the comments that belong to them.
--
-- A comment belongs to the declarations that follow it up to the next blank line, or to the one behind which it stands on
-- the same line. "/* --- title --- */" begins a section.
local files = require("files")

local c_api = {}

local HEADERS = "core/include"

-- The text of a comment without its marks and its stars.
local function comment_text(raw)
  local lines = {}
  local inner = raw:gsub("^/%*+ ?", ""):gsub("%s*%*/$", "")
  for line in (inner .. "\n"):gmatch("(.-)\n") do
    lines[#lines + 1] = (line:gsub("^ %* ?", ""):gsub("%s+$", ""))
  end
  return table.concat(lines, "\n")
end

-- Splits a header into { kind = "comment" | "blank" | "directive" | "code", text =, line =, same_line = }.
local function tokens(text)
  local list, pos, line = {}, 1, 1
  local function add(kind, raw)
    local before = text:sub(1, pos - 1):match("[^\n]*$")
    list[#list + 1] = { kind = kind, text = raw, line = line, same_line = before:find("%S") ~= nil }
    local _, breaks = raw:gsub("\n", "")
    line, pos = line + breaks, pos + #raw
  end
  while pos <= #text do
    local space = text:match("^%s+", pos)
    if space then
      local _, breaks = space:gsub("\n", "")
      if breaks > 1 then
        list[#list + 1] = { kind = "blank" }
      end
      line, pos = line + breaks, pos + #space
    elseif text:find("^/%*", pos) then
      add("comment", text:match("^/%*.-%*/", pos))
    elseif text:find("^#", pos) then
      local stop = pos
      repeat
        stop = text:find("\n", stop + 1, true) or #text + 1
      until text:sub(stop - 1, stop - 1) ~= "\\"
      local raw = text:sub(pos, stop - 1)
      local trailing = raw:find("%s*/%*.-%*/%s*$") -- a comment behind a directive is read as one
      add("directive", trailing and raw:sub(1, trailing - 1) or raw)
    elseif text:find('^extern%s+"C"%s*{', pos) then
      add("mark", text:match('^extern%s+"C"%s*{', pos))
    elseif text:find("^}", pos) then
      add("mark", "}")
    else
      -- A declaration, to the semicolon that stands in no braces and in no comment.
      local depth, i = 0, pos
      while i <= #text do
        local c = text:sub(i, i)
        if text:find("^/%*", i) then
          i = text:find("*/", i, true) + 1
        elseif c == "{" then
          depth = depth + 1
        elseif c == "}" then
          depth = depth - 1
        elseif c == ";" and depth == 0 then
          break
        end
        i = i + 1
      end
      add("code", text:sub(pos, i))
    end
  end
  return list
end

-- The name of the function that a declaration declares, or nil.
local function function_name(code)
  local text = code:gsub("/%*.-%*/", " "):gsub("__attribute__%s*%b()", ""):gsub("%s+", " ")
  if text:find("^typedef ") or text:find("^static ") or text:find("^_Static_assert") or text:find("^[^(]*{") then
    return nil
  end
  local before, name, next = text:match("^(.-)([%a_][%w_]*) ?%( ?(.)")
  return name and next ~= "*" and before:find("%a") and name or nil
end

local function type_name(code)
  return code:match("}%s*([%w_]+)%s*;$") or code:match("^enum%s+([%w_]+)") or code:match("^struct%s+([%w_]+)%s*{")
    or code:match("%(%s*%*%s*([%w_]+)%s*%)") or code:match("([%w_]+)%s*;$")
end

local function add_code(header, section, token, comment)
  local name = function_name(token.text)
  local item = { line = token.line, header = header, comment = comment, code = token.text }
  if name then
    item.name, item.kind = name, "function"
    item.signature = token.text:gsub("^HTTPSRV_API%s+", ""):gsub("%s*__attribute__%s*%b()", ""):gsub("%s+", " ")
    item.deprecated = token.text:find("deprecated", 1, true) ~= nil
    item.result = item.signature:match("^(.-)%s*" .. name .. "%s*%("):gsub("%s*(%*+)$", " %1")
    header.functions[#header.functions + 1] = item
  elseif token.text:find("[{(]") or (comment and token.text:find("^typedef")) then
    item.name, item.kind = type_name(token.text), "type"
  else
    return nil
  end
  section.items[#section.items + 1] = item
  return item
end

--- One header: { path =, name =, opening =, sections = { { title =, items = { item... } } }, functions = { item... } }.
-- An item has name, kind ("function", "type", "macro"), line, code, comment (nil when it has none), and as a function signature, result.
function c_api.header(root, path)
  local header = { path = path, name = path:gsub("^" .. HEADERS .. "/", ""), functions = {} }
  local section = { items = {} }
  header.sections = { section }
  local comment, last
  for _, token in ipairs(tokens(files.read(root, path))) do
    if token.kind == "blank" then
      comment = nil
    elseif token.kind == "comment" then
      local text = comment_text(token.text)
      local title = text:match("^%-%-%- (.-) %-%-%-$")
      if title then
        section = { title = title, items = {} }
        header.sections[#header.sections + 1] = section
      elseif not header.opening then
        header.opening = text
      elseif token.same_line and last then
        last.comment = (last.comment and not last.shared) and last.comment .. "\n" .. text or text
      else
        comment = { text = text }
      end
    elseif token.kind == "directive" then
      local name = token.text:match("^#define%s+([%w_]+)%(")
      if name and comment then
        last = { name = name, kind = "macro", line = token.line, header = header, code = token.text, comment = comment.text }
        section.items[#section.items + 1] = last
      end
    elseif token.kind == "code" then
      last = add_code(header, section, token, comment and comment.text)
      if last and comment then
        last.shared = comment.used
        comment.used = true
      end
    end
  end
  return header
end

--- All public headers, in the order of their names.
function c_api.headers(root)
  local list = {}
  for _, path in ipairs(files.list(root, { HEADERS }, { ".h" })) do
    list[#list + 1] = c_api.header(root, path)
  end
  return list
end

return c_api

-- build.lua - makes the reference: lua build.lua ROOT OUT MANUAL-PAGE...
--
-- One HTML site from what the sources say of themselves: the C headers (tests/api/c_api.lua), LDoc comments (read by LDoc itself) with
-- the types of lua/types, docs/*.md (by cmark-gfm), manual pages (by mandoc), and the examples of docs/examples, which the tests run.
-- Fails when a public function has no text or a link leads nowhere.
local c_api = require "c_api"
local examples = require "examples"
local files = require "files"
local html = require "html"
local lua_api = require "lua_api"

local root, out = arg[1], arg[2]
local here = arg[0]:match("^(.*)/") or "."
local LUNR = "/usr/share/javascript/lunr/lunr.min.js" -- of Debian's libjs-lunr
local escape = html.escape
local problems = {}

local function problem(...)
  problems[#problems + 1] = string.format(...)
end

local function quote(s)
  return "'" .. s:gsub("'", "'\\''") .. "'"
end

local function run(command)
  local pipe = assert(io.popen(command .. "; echo \"status $?\""))
  local text = pipe:read("*a")
  pipe:close()
  local output, status = text:match("^(.*)status (%d+)\n$")
  if status ~= "0" then
    error(command .. " failed:\n" .. output, 0)
  end
  return output
end

local made_folders = {}
local function write(path, text)
  local folder = path:match("^(.*)/[^/]*$")
  if folder and not made_folders[folder] then
    run("mkdir -p " .. quote(out .. "/" .. folder))
    made_folders[folder] = true
  end
  local file = assert(io.open(out .. "/" .. path, "wb"))
  assert(file:write(text))
  assert(file:close())
end

local function up_from(path)
  return (path:gsub("[^/]+", ".."):gsub("%.%.$", ""))
end

run("mkdir -p " .. quote(out))

-- What comes first in the contents, in this order; the rest follows, and some come last.
local FIRST = { "tutorial", "workers", "logging", "observability", "deploy", "embedding", "httpsrv", "session", "httpsrv.io", "io",
  "modules/listeners/httpsrv.h", "httpsrv/server.h", "httpsrv/module.h", "io_wrapper.h" }
local LAST = { architecture = 1, api = 2 }

-- A list in that order, by the names that name(item) gives.
local function ordered(list, name)
  local rank = {}
  for i, item in ipairs(list) do
    rank[item] = LAST[name(item)] and 1000000 * LAST[name(item)] or 1000 + i
    for k, first in ipairs(FIRST) do
      if name(item) == first then rank[item] = k end
    end
  end
  table.sort(list, function(a, b) return rank[a] < rank[b] end)
  return list
end

-- --- what there is ---

local headers = c_api.headers(root)
local lua_functions = lua_api.functions(root)

local example_of = {} -- name -> examples
for _, example in ipairs(examples.list(root)) do
  for _, name in ipairs(example.shows) do
    example_of[name] = example_of[name] or {}
    table.insert(example_of[name], example)
  end
end

-- Where a C function is defined.
local defined = {}
for _, path in ipairs(files.list(root, { "core", "bindings" }, { ".c" })) do
  local number = 0
  for line in (files.read(root, path) .. "\n"):gmatch("(.-)\n") do
    number = number + 1
    local name = line:match("^([%a_][%w_]*)%(")
    if name then
      defined[name] = { path = path, line = number }
    end
  end
end

-- --- Lua: LDoc's reading of the comments, found by the names of the types ---

local function ldoc_items()
  local list, read = {}, {}
  for _, path in ipairs(files.list(root, { "lua" }, { ".lua" })) do
    local what = path:match("^(lua/[^/]+)/") or path -- folders whole, files above them one by one
    if what ~= "lua/types" and not read[what] then
      read[what] = true
      local text = run(("cd %s && LUA_PATH=%s ldoc --filter ldoc_dump.dump %s 2>/dev/null"):format(quote(root),
        quote(here .. "/?.lua;;"), what))
      for _, module in ipairs(assert(loadstring(text:sub(text:find("return {", 1, true), -1)))()) do
        module.file = what .. module.file:match(".*/" .. what:gsub("%p", "%%%0") .. "(.*)$")
        for _, item in ipairs(module.items) do
          item.module, item.file = module.name, module.file
          list[#list + 1] = item
        end
        list[module.name] = module
      end
    end
  end
  return list
end

local documented = ldoc_items()

-- Modules whose functions have names of Lua's own.
local inner = { ["httpsrv.base"] = true, ["httpsrv.loader"] = true, ["httpsrv.coroutine"] = true, ["httpsrv.standalone"] = true }

local function documentation(fn)
  local owner = fn.name:match("^(.*)[.:]")
  local format, rest = fn.short:match("^(%l+)_(%l+code)$") -- httpsrv.json_encode is encode of httpsrv.json
  local best, best_score = nil, -1
  for _, item in ipairs(documented) do
    local base = item.name:match("[%w_]+$")
    local is_it = base == fn.short or (base == rest and item.module == "httpsrv." .. format)
    if is_it and not inner[item.module] and #item.text > 0 then
      local score = (item.section == "Class " .. owner and 8 or 0) + (item.module == owner and 4 or 0)
        + (item.module:match("[^.]+$") == owner:match("[^.:]+$") and 2 or 0) + math.min(#item.text, 9999) / 10000
      local method = fn.mark == ":"
      if method and score < 2 then
        score = -1
      end
      if score > best_score then
        best, best_score = item, score
      end
    end
  end
  return best
end

-- --- addresses ---

local pages = {}  -- in the order of the contents: { path =, title =, group =, body =, inner = { { id, text } } }
local place = {}  -- name of a function -> address from the root

local lua_pages, lua_page_of = {}, {}
for _, fn in ipairs(lua_functions) do
  local owner = fn.name:match("^(.*)[.:]")
  if not lua_page_of[owner] then
    lua_page_of[owner] = { owner = owner, functions = {}, path = "lua/" .. owner .. ".html" }
    lua_pages[#lua_pages + 1] = lua_page_of[owner]
  end
  table.insert(lua_page_of[owner].functions, fn)
  place[fn.name] = lua_page_of[owner].path .. "#" .. fn.short
end
for _, header in ipairs(headers) do
  header.page = "c/" .. header.name:gsub("/", "-"):gsub("%.h$", "") .. ".html"
  for _, section in ipairs(header.sections) do
    for _, item in ipairs(section.items) do
      if item.name then
        place[item.name] = header.page .. "#" .. item.name
      end
    end
  end
end

local function linker(up, own)
  return function(word)
    return word ~= own and place[word] and (up .. place[word]) or nil
  end
end

local sources = {} -- paths that pages link to
local function source_link(up, path, line)
  sources[path] = true
  return ('%ssrc/%s.html#L%d'):format(up, path, line)
end

-- --- the parts of a page ---

local function example_html(name, up, open)
  local list = {}
  for i, example in ipairs(example_of[name] or {}) do
    local form = '<details class="example"%s><summary>Example: %s <a href="%s">%s</a></summary><pre>%s</pre></details>'
    list[i] = form:format(open and i == 1 and " open" or "", escape(example.title or ""), source_link(up, example.path, 1),
      escape(example.path:match("[^/]+$")), html.code(example.code:gsub("%s+$", ""), example.language))
  end
  return table.concat(list, "\n")
end

local function errors_html(text, general)
  local codes, seen = {}, {}
  for code in text:gmatch("%f[%w_](E[A-Z0-9][A-Z0-9]+)%f[^%w_]") do
    if not seen[code] then
      seen[code] = true
      codes[#codes + 1] = '<span class="e">' .. code .. "</span>"
    end
  end
  if #codes == 0 then
    return general and ('<p class="errors">Errors: %s</p>'):format(general) or ""
  end
  return '<p class="errors">Errors: ' .. table.concat(codes, " ") .. (general and ", and " .. general or "") .. "</p>"
end

local function badges_html(list)
  local spans = {}
  for i, badge in ipairs(list) do
    spans[i] = ('<span class="badge%s">%s</span>'):format(badge == "deprecated" and " old" or "", badge)
  end
  return table.concat(spans, " ")
end

local function entry(id, name, badges, links, body)
  local head = '<h3><a class="name" href="#%s"><code>%s</code></a> %s<span class="src">%s</span></h3>'
  return ('<section class="fn" id="%s">' .. head .. "\n%s</section>"):format(id, id, escape(name), badges_html(badges),
    table.concat(links, " · "), body)
end

-- An example that serves several functions is unfolded at the first.
local unfolded = {}
local function unfold(name)
  local first = example_of[name] and example_of[name][1]
  local open = first ~= nil and not unfolded[first]
  if first then
    unfolded[first] = true
  end
  return open
end

-- --- C ---

local function c_badges(item, header)
  local text = item.comment or ""
  local badges = {}
  if item.deprecated then badges[#badges + 1] = "deprecated" end
  if text:find("Any thread") or text:find("any thread") then
    badges[#badges + 1] = "any thread"
  elseif (header.opening or ""):find("Loop thread only", 1, true) then
    badges[#badges + 1] = "loop thread"
  end
  if text:find("EAGAIN", 1, true) then badges[#badges + 1] = "may say EAGAIN" end
  return badges
end

local function c_entry(item, header, up, search)
  local links = { ('<a href="%s">%s:%d</a>'):format(source_link(up, header.path, item.line), header.name:match("[^/]+$"), item.line) }
  local at = defined[item.name]
  if item.kind == "function" and at then
    links[#links + 1] = ('<a href="%s">%s:%d</a>'):format(source_link(up, at.path, at.line), at.path:match("[^/]+$"), at.line)
  end
  local body = {}
  local code = item.kind == "function" and item.signature or item.code
  body[#body + 1] = '<pre class="signature">' .. html.code(code, "c") .. "</pre>"
  if item.comment then
    body[#body + 1] = html.prose(item.comment, linker(up, item.name))
  end
  if item.kind == "function" then
    if not item.comment then
      problem("%s:%d: %s has no text", header.path, item.line, item.name)
    end
    local general = item.result == "int" and item.name:find("^ec_httpsrv_") and 'those that the <a href="#top">header</a> names' or nil
    body[#body + 1] = errors_html(item.comment or "", general)
    body[#body + 1] = example_html(item.name, up, unfold(item.name))
  end
  search[#search + 1] = { t = item.name, s = header.name, x = item.comment or item.kind, u = header.page .. "#" .. item.name }
  return entry(item.name, item.name, item.kind == "function" and c_badges(item, header) or { item.kind }, links, table.concat(body, "\n"))
end

local function c_page(header, search)
  local up = up_from(header.page)
  local title, opening = (header.opening or ""):match("^[%w_.]+ %- ([^\n]*)\n?(.*)$")
  local body = { ('<h1 id="top"><code>#include &lt;%s&gt;</code></h1>'):format(escape(header.name)),
    '<div class="lead">' .. html.prose((title or "") .. "\n" .. (opening or ""), linker(up)) .. "</div>" }
  local contents = {}
  for _, section in ipairs(header.sections) do
    if section.title and #section.items > 0 then
      body[#body + 1] = "<h2>" .. escape(section.title:sub(1, 1):upper() .. section.title:sub(2)) .. "</h2>"
    end
    for _, item in ipairs(section.items) do
      if item.name then
        body[#body + 1] = c_entry(item, header, up, search)
        if item.kind == "function" then
          contents[#contents + 1] = { item.name, item.name }
        end
      end
    end
  end
  pages[#pages + 1] = { path = header.page, title = header.name, group = "C headers", body = table.concat(body, "\n"), inner = contents }
end

-- --- Lua ---

local function type_text(param, doc)
  local kind = param.type ~= "any" and param.type or doc and doc.type or "any"
  return kind
end

local function lua_signature(fn)
  local names, open = {}, 0
  for _, param in ipairs(fn.params) do
    if param.optional then
      names[#names + 1] = (#names > 0 and " [, " or "[") .. param.name
      open = open + 1
    else
      names[#names + 1] = (#names > 0 and ", " or "") .. param.name
    end
  end
  if #fn.params == 0 and fn.arguments ~= "()" then
    names[1] = fn.arguments:sub(2, -2)
  end
  return fn.name .. "(" .. table.concat(names) .. ("]"):rep(open) .. ")"
end

-- Types of this API are links to what they are.
local function type_html(kind, up)
  return (escape(kind):gsub("httpsrv%.([%w_]+)", function(class)
    local page = lua_page_of[class]
    return page and ('<a href="%s%s">%s</a>'):format(up, page.path, class) or class
  end))
end

local function params_html(fn, doc, up)
  local list = {}
  for _, param in ipairs(fn.params) do
    local known
    for _, p in ipairs(doc and doc.params or {}) do
      if p.name == param.name then known = p end
    end
    local kind, note = type_text(param, known):match("^(%b\"\"[^ ]*)%s*(.*)$")
    if not kind then
      kind, note = type_text(param, known):match("^(fun%b()[^ ]*)%s*(.*)$")
    end
    if not kind then
      kind, note = type_text(param, known):match("^(%b{}[^ ]*)%s*(.*)$")
    end
    if not kind then
      kind, note = type_text(param, known):match("^(%S+)%s*(.*)$")
    end
    local default = known and known.optional and known.optional ~= "true" and known.optional
    local text = known and known.text and known.text:gsub("^%s+", "") or note
    list[#list + 1] = ("<dt>%s</dt><dd><i>%s%s</i> %s</dd>"):format(escape(param.name), type_html(kind, up),
      default and ", default " .. escape(default) or param.optional and ", optional" or "", html.prose(text, linker(up)):gsub("</?p>", ""))
  end
  return #list > 0 and '<dl class="params">' .. table.concat(list) .. "</dl>" or ""
end

local function returns_html(fn, doc, up)
  local text
  if doc and #doc.returns > 0 then
    text = html.prose(table.concat(doc.returns, "; "), linker(up)):gsub("</?p>", "")
  elseif #fn.returns > 0 then
    local list = {}
    for i, result in ipairs(fn.returns) do
      list[i] = type_html(result, up)
    end
    text = table.concat(list, ", ")
  end
  return text and '<dl class="params"><dt>returns</dt><dd>' .. text .. "</dd></dl>" or ""
end

-- Whether the triple nil, message, code may come back.
local function can_fail(fn)
  for _, result in ipairs(fn.returns) do
    if result:find("errcode", 1, true) then return true end
  end
  return false
end

local function lua_entry(fn, up, search)
  local doc = documentation(fn)
  local text = doc and doc.text or fn.text or ""
  if not text:find("%S") then
    problem("%s:%d: %s has no text", fn.path, fn.line, fn.name)
  end
  local notes = fn.text or ""
  local badges = {}
  if notes:find("^Waits") or text:find("%f[%w]Waits%f[%W]") or text:find("%f[%w]waits%f[%W]") then badges[1] = "may wait" end
  local path, line = doc and doc.file or fn.path, doc and doc.line or fn.line
  local links = { ('<a href="%s">%s:%d</a>'):format(source_link(up, path, line), path:match("[^/]+$"), line) }
  local returned = doc and table.concat(doc.returns, " ") or ""
  local body = {
    '<pre class="signature">' .. html.code(lua_signature(fn), "lua") .. "</pre>",
    html.prose(text, linker(up, fn.name)),
    params_html(fn, doc, up),
    returns_html(fn, doc, up),
    errors_html(text .. " " .. returned, can_fail(fn) and "<code>nil, message, code</code> when the world fails" or nil),
    example_html(fn.name, up, unfold(fn.name)),
  }
  search[#search + 1] = { t = fn.name, s = "Lua", x = (text:gsub("\n", " ")), u = place[fn.name] }
  return entry(fn.short, fn.name, badges, links, table.concat(body, "\n"))
end

-- The text that stands above a module, or what a class is said to be.
local function lua_opening(page)
  local module = documented[page.owner] or documented["httpsrv." .. page.owner:match("[^.]+$")]
  return module and module.text or ""
end

local function lua_page(page, search)
  local up = up_from(page.path)
  local body = { ('<h1 id="top"><code>%s</code></h1>'):format(escape(page.owner)),
    '<div class="lead">' .. html.prose(lua_opening(page), linker(up)) .. "</div>" }
  local contents = {}
  for _, fn in ipairs(page.functions) do
    body[#body + 1] = lua_entry(fn, up, search)
    contents[#contents + 1] = { fn.short, fn.short }
  end
  pages[#pages + 1] = { path = page.path, title = page.owner, group = "Lua", body = table.concat(body, "\n"), inner = contents }
end

-- --- guides, manual pages, sources ---

local function guide(path, name, search)
  local text = run(("cmark-gfm -e table -e strikethrough -e autolink %s"):format(quote(root .. "/" .. path)))
  local title = text:match("<h1>(.-)</h1>")
  title = title and title:gsub("<[^>]*>", "") or name
  local page = "guide/" .. name .. ".html"
  local count, contents = 0, {}
  text = text:gsub("<h2>(.-)</h2>", function(heading)
    count = count + 1
    local plain = heading:gsub("<[^>]*>", "")
    contents[#contents + 1] = { "s" .. count, plain }
    search[#search + 1] = { t = plain, s = title, x = "", u = page .. "#s" .. count }
    return ('<h2 id="s%d">%s</h2>'):format(count, heading)
  end)
  text = text:gsub('<pre><code class="language%-(%w+)">(.-)</code></pre>', function(language, code)
    local raw = code:gsub("&lt;", "<"):gsub("&gt;", ">"):gsub("&quot;", '"'):gsub("&amp;", "&")
    return "<pre>" .. html.code(raw, language) .. "</pre>"
  end)
  text = text:gsub("<table>", '<div class="table"><table>'):gsub("</table>", "</table></div>")
  text = text:gsub("<code>([%w_.:]+)</code>", function(word)
    return place[word] and ('<a href="../%s"><code>%s</code></a>'):format(place[word], word) or nil
  end)
  local words = text:gsub("<pre>.-</pre>", " "):gsub("<[^>]*>", " "):gsub("%s+", " "):sub(1, 4000)
  search[#search + 1] = { t = title, s = "Guide", x = words, u = page }
  pages[#pages + 1] = { path = page, title = title, group = "Guides", body = text, inner = contents }
end

local function manual(path, search)
  local name, section = path:match("([^/]+)%.(%d)$")
  local text = run(("mandoc -Thtml -O fragment,man=%%N.%%S.html %s"):format(quote(path)))
  local title = ("%s(%s)"):format(name, section)
  local page = ("man/%s.%s.html"):format(name, section)
  for id, label in text:gmatch('<dt id="([^"]+)">(.-)</dt>') do
    local plain = label:gsub("<[^>]*>", "")
    search[#search + 1] = { t = plain, s = title, x = "", u = page .. "#" .. id }
  end
  search[#search + 1] = { t = title, s = "Manual", x = (text:gsub("<[^>]*>", " "):gsub("%s+", " "):sub(1, 3000)), u = page }
  pages[#pages + 1] = { path = page, title = title, group = "Manual pages", body = '<div class="man">' .. text .. "</div>", inner = {} }
end

local function source_page(path)
  local page = "src/" .. path .. ".html"
  local language = path:match("%.lua$") and "lua" or "c"
  local lines, number = {}, 0
  for line in (html.code(files.read(root, path):gsub("%s+$", ""), language) .. "\n"):gmatch("(.-)\n") do
    number = number + 1
    lines[number] = ('<span id="L%d" data-n="%d">%s</span>'):format(number, number, line)
  end
  local body = "<h1><code>" .. escape(path) .. '</code></h1>\n<pre class="source">' .. table.concat(lines) .. "</pre>"
  return { path = page, title = path, body = body, inner = {} }
end

-- --- the whole ---

local GROUPS = { "Guides", "Lua", "C headers", "Manual pages" }

local function contents(page)
  local up = up_from(page.path)
  local list = {}
  for _, group in ipairs(GROUPS) do
    list[#list + 1] = "<h2>" .. group .. "</h2><ul>"
    for _, other in ipairs(pages) do
      if other.group == group then
        local items = {}
        if other == page then
          for i, item in ipairs(other.inner) do
            items[i] = ('<li><a href="#%s">%s</a></li>'):format(item[1], (item[2]:gsub("_", "_<wbr>")))
          end
        end
        list[#list + 1] = ('<li%s><a href="%s%s">%s</a>%s</li>'):format(other == page and ' class="here"' or "", up, other.path,
          escape(other.title), #items > 0 and '<ul class="inner">' .. table.concat(items) .. "</ul>" or "")
      end
    end
    list[#list + 1] = "</ul>"
  end
  return table.concat(list)
end

local function index_page()
  local cards = {}
  for _, group in ipairs(GROUPS) do
    local items = {}
    for _, page in ipairs(pages) do
      if page.group == group then
        items[#items + 1] = ('<li><a href="%s">%s</a></li>'):format(page.path, escape(page.title))
      end
    end
    cards[#cards + 1] = ("<div><h2>%s</h2><ul>%s</ul></div>"):format(group, table.concat(items))
  end
  local functions = 0
  for _, header in ipairs(headers) do
    functions = functions + #header.functions
  end
  local text = ("<h1>httpsrv</h1><p class=\"lead\">A Lua-scriptable HTTP server, and the C library that it is made of. "
    .. "Every source of bytes is an <a href=\"lua/io.html\">io</a>, and <a href=\"%s\"><code>session:response_io</code></a> "
    .. "streams it to the client at the client's pace.</p>"
    .. "<p class=\"lead\">%d functions in Lua and %d in C; the examples shown with them are run as tests.</p>"):format(
    place["session:response_io"], #lua_functions, functions)
  return { path = "index.html", title = "Reference", body = text .. '<div class="cards">' .. table.concat(cards) .. "</div>", inner = {} }
end

local function json(value)
  return '"' .. value:gsub('[\\"]', "\\%0"):gsub("[%c]", " "):gsub("<", "\\u003c") .. '"'
end

local function write_search(search)
  local list = {}
  for i, item in ipairs(search) do
    list[i] = ("{t:%s,s:%s,x:%s,u:%s}"):format(json(item.t), json(item.s), json(item.x), json(item.u))
  end
  write("search-data.js", "var SEARCH=[\n" .. table.concat(list, ",\n") .. "\n];\n")
end

-- Links within the site lead somewhere.
local function check_links(all)
  local ids = {}
  for _, page in ipairs(all) do
    ids[page.path] = { [""] = true }
    for id in page.body:gmatch('id="([^"]+)"') do
      ids[page.path][id] = true
    end
  end
  for _, page in ipairs(all) do
    for target in page.body:gmatch('href="([^"]+)"') do
      if not target:find("^%a+:") then
        local path, id = target:match("^([^#]*)#?(.*)$")
        if path ~= "" then
          path = (page.path:match("^(.*/)") or "") .. path
          local n = 1
          while n > 0 do path, n = path:gsub("[^/]+/%.%./", "", 1) end
        else
          path = page.path
        end
        if not ids[path] or not ids[path][id] then
          problem("%s: the link %s leads nowhere", page.path, target)
        end
      end
    end
  end
end

-- Links of the guides to other files of the tree: to their pages, where there are such, else plain text.
local function mend_guide_links()
  for _, page in ipairs(pages) do
    page.body = page.body:gsub('<a href="([^"#:]+)#?[^"]*">(.-)</a>', function(target, text)
      local name = target:match("([^/]+)%.md$")
      if page.group == "Guides" and not target:find("%.html$") then
        for _, other in ipairs(pages) do
          if other.path == "guide/" .. (name or "") .. ".html" then
            return ('<a href="%s.html">%s</a>'):format(name, text)
          end
        end
        return text
      end
    end)
  end
end

local search = {}
local guides = { { name = "architecture", path = "core/ARCHITECTURE.md" } }
for _, path in ipairs(files.list(root, { "docs" }, { ".md" })) do
  local name = path:match("^docs/([^/]+)%.md$")
  if name then guides[#guides + 1] = { name = name, path = path } end
end
for _, text in ipairs(ordered(guides, function(g) return g.name end)) do
  guide(text.path, text.name, search)
end
for _, page in ipairs(ordered(lua_pages, function(p) return p.owner end)) do
  lua_page(page, search)
end
for _, header in ipairs(ordered(headers, function(h) return h.name end)) do
  if #header.functions > 0 or header.name:find("int%.h$") then c_page(header, search) end
end
for i = 3, #arg do
  manual(arg[i], search)
end
mend_guide_links()

local all = { index_page() }
for _, page in ipairs(pages) do
  all[#all + 1] = page
end
local paths = {}
for path in pairs(sources) do
  paths[#paths + 1] = path
end
table.sort(paths)
for _, path in ipairs(paths) do
  all[#all + 1] = source_page(path)
end
check_links(all)
for _, page in ipairs(all) do
  write(page.path, html.page(page.title, up_from(page.path), contents(page), page.body))
end
write_search(search)
for _, file in ipairs({ here .. "/style.css", here .. "/site.js", LUNR }) do
  run(("cp %s %s"):format(quote(file), quote(out)))
end

if #problems > 0 then
  io.stderr:write(table.concat(problems, "\n"), "\n")
  os.exit(1)
end

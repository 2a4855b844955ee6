-- Index: the page that lists the examples
--
-- It is made of the examples' own opening comments. The files are read while the scripts are loaded: reading waits for the
-- disk there as it would in a handler.

local httpsrv = require "httpsrv"
local example = require "example" -- lib/example.lua
local page = require "page" -- lib/page.lua

local NAMES = { "01-hello", "02-notes", "03-files", "04-upper", "05-count", "06-clock", "07-child", "08-chat", "09-guests", "10-threads",
  "index" }

local INTRO = [[
<p class="quiet">Each example is one file in <code>examples/</code>, read in a minute. Change one, start the server again,
and look. To begin with a script of your own, see <code>docs/tutorial.md</code>.</p>
]]

local ENTRY = [[
<section class="card" id="$name">
<h2><span class="number">$number</span>$title</h2>
$text<details><summary>$name.lua, $lines lines</summary><pre><code>$code</code></pre></details>
</section>
]]

local entries = {}
for i, name in ipairs(NAMES) do
  local file = assert(httpsrv.io.open(name .. ".lua")) -- relative to the directory of the scripts
  local it = example.parse(file:read("*a"))
  file:close()
  local _, lines = it.code:gsub("\n", "")
  local parts = {
    name = name, number = i, lines = lines, title = page.escape(it.title), text = it.text, code = example.highlight(it.code),
  }
  entries[i] = ENTRY:gsub("%$(%a+)", parts)
end
local body = INTRO .. table.concat(entries)

httpsrv.register("GET", "/", function(sess)
  -- The commands name the address by which the reader came.
  local host = sess:request_header_get("Host") or "127.0.0.1:8080"
  local here = "http://" .. page.escape(host)
  page.send(sess, "httpsrv examples", (body:gsub("http://127%.0%.0%.1:8080", (here:gsub("%%", "%%%%")))), true)
end, { exact = true }) -- the path alone: everything else below / is a 404

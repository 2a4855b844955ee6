-- Forms: a guest book with a form, a cookie, a redirect and an error page
--
-- A form is answered with a redirect, so that going back or reloading sends nothing twice. The cookie remembers the name that was
-- written last. Whatever is not there gets the page at the end of this file, on every path of this server.
--
-- Open /guests.
--
-- There is nothing at /guests/nobody: a browser is shown the page, curl two words.
--
--     curl -i http://127.0.0.1:8080/guests -d 'name=Ada' -d 'text=I was here'
--     curl http://127.0.0.1:8080/guests -b 'guest=Ada'

local httpsrv = require "httpsrv"
local page = require "page" -- lib/page.lua

local KEEP, NAME_MAX, TEXT_MAX = 50, 40, 400

local entries = {} -- { name =, text = }, the last KEEP, the newest first

local FORM = [[
<section class="card">
<form method="post" action="/guests">
<input name="name" placeholder="name" aria-label="name" required maxlength="$max" value="$name">
<input id="text" name="text" placeholder="what you want to leave here" aria-label="text" required maxlength="400">
<button>Write</button>
</form>
</section>
<section class="card"><ol>$entries</ol></section>
]]

-- The first value of a form's field, without blanks around it; nil when it is missing, empty or too long.
local function field(form, name, most)
  local text = form[name] and form[name][1]:match("^%s*(.-)%s*$") or ""
  return text ~= "" and #text <= most and text or nil
end

-- A cookie's value has no room for all characters: others stand as %XX.
local function encode(text)
  return (text:gsub("[^%w]", function(c) return ("%%%02X"):format(c:byte()) end))
end

local function decode(text)
  return (text:gsub("%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end))
end

-- Before each handler below /guests: nothing of it is to be kept by browsers or proxies.
httpsrv.before(function(sess)
  sess:response_header_set("Cache-Control", "no-store")
end, { path = "/guests" })

httpsrv.register("GET", "/guests", function(sess)
  local items = {}
  for i, entry in ipairs(entries) do
    items[i] = ("<li><b>%s</b> %s</li>\n"):format(page.escape(entry.name), page.escape(entry.text))
  end
  page.send(sess, "Guest book", (FORM:gsub("%$(%a+)", {
    name = page.escape(decode(sess:cookies().guest or "")), max = NAME_MAX, entries = table.concat(items),
  })))
end, { exact = true })

httpsrv.register("POST", "/guests", function(sess)
  local form, message = sess:request_form() -- waits for it
  local name = form and field(form, "name", NAME_MAX)
  local text = form and field(form, "text", TEXT_MAX)
  if not (name and text) then
    return sess:response_status_set_std(400, message or "a name and a text are needed, neither too long", "text/plain")
  end
  table.insert(entries, 1, { name = name, text = text })
  entries[KEEP + 1] = nil
  sess:cookie_set("guest", encode(name), { path = "/guests", max_age = 30 * 86400, http_only = true, same_site = "Lax" })
  sess:redirect("/guests", 303)
end, { exact = true, max_body = 4096 })

-- Instead of the server's own two words. Programs still get those.
httpsrv.register_error(404, function(sess, status, text)
  if not (sess:request_header_get("Accept") or ""):find("text/html", 1, true) then
    return sess:response_status_set_std(status, text, "text/plain")
  end
  page.send(sess, "Not here", ('<p>There is nothing at <code>%s</code>.</p>\n'):format(page.escape(sess:request_path_get())))
  sess:response_status_set(status)
end)

-- page.lua - what the pages of the examples share: one frame, one style sheet, nothing from elsewhere.
local page = {}

local STYLE = [[
:root {
  color-scheme: light dark;
  --ground: #fbfaf7; --card: #fff; --line: #e3e0d8; --text: #1f2328; --quiet: #666b73;
  --accent: #1d5fbf; --code: #f3f1ea; --comment: #737a82; --string: #0b6b3a; --keyword: #9a2d6f;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #15171b; --card: #1d2025; --line: #30343b; --text: #e4e6ea; --quiet: #9aa1ab;
    --accent: #7fb2ff; --code: #15171b; --comment: #8a929d; --string: #86d3a4; --keyword: #ee9ccb;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 2.5rem 1.25rem 4rem; max-width: 48rem; background: var(--ground); color: var(--text);
  font: 16px/1.6 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif;
}
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .5rem; letter-spacing: -.01em; }
h2 { font-size: 1.15rem; line-height: 1.3; margin: 0 0 .4rem; }
p { margin: 0 0 .75rem; }
a { color: var(--accent); text-underline-offset: .15em; }
nav { margin-bottom: 1.5rem; }
code, pre, .big { font-family: ui-monospace, SFMono-Regular, Menlo, "Liberation Mono", monospace; }
code { font-size: .9em; }
pre {
  margin: 0 0 .75rem; padding: .75rem 1rem; overflow-x: auto; background: var(--code); border: 1px solid var(--line);
  border-radius: 6px; font-size: .82rem; line-height: 1.55;
}
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 1.25rem 1.4rem .5rem; margin: 0 0 1.25rem; }
.quiet { color: var(--quiet); }
.number { color: var(--quiet); font-weight: 400; margin-right: .35em; }
.open a { white-space: nowrap; }
details { margin: 0 0 .75rem; }
summary { cursor: pointer; color: var(--quiet); font-size: .9rem; }
[open] > summary { margin-bottom: .5rem; }
.c { color: var(--comment); } .s { color: var(--string); } .k { color: var(--keyword); }
.big { font-size: clamp(2.5rem, 12vw, 5rem); line-height: 1.1; margin: 0 0 .75rem; font-variant-numeric: tabular-nums; }
dl { display: flex; flex-wrap: wrap; gap: .5rem 2.5rem; margin: 0 0 1rem; }
dt { color: var(--quiet); font-size: .85rem; }
dd { margin: 0; font-variant-numeric: tabular-nums; }
#wire { white-space: pre-wrap; }
svg { display: block; width: 100%; height: 4rem; color: var(--accent); margin-bottom: .65rem; }
ol { list-style: none; margin: 0 0 .75rem; padding: 0; min-height: 12rem; max-height: 50vh; overflow-y: auto; }
li { overflow-wrap: anywhere; }
form { display: flex; gap: .5rem; margin-bottom: .65rem; }
input, button { font: inherit; padding: .35rem .7rem; border: 1px solid var(--line); border-radius: 6px; min-width: 0; }
input { background: var(--ground); color: var(--text); }
#text { flex: 1; }
button { background: var(--accent); border-color: var(--accent); color: var(--card); cursor: pointer; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
]]

local FRAME = [[
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title · httpsrv</title>
<link rel="icon" href="data:,">
<style>
$style</style>
</head>
<body>
$nav<main>
<h1>$title</h1>
$body</main>
</body>
</html>
]]

local NAV = '<nav><a href="/">← all examples</a></nav>\n'

local ENTITIES = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;" }

--- Text as it may stand in HTML, in attributes too.
function page.escape(text)
  return (text:gsub("[&<>\"']", ENTITIES))
end

--- Sends a whole page.
-- @param sess the session
-- @param title plain text
-- @param body HTML
-- @param is_index leaves out the way back
function page.send(sess, title, body, is_index)
  sess:response_status_set_std(200, "OK", "text/html; charset=utf-8")
  local parts = { title = page.escape(title), style = STYLE, body = body, nav = is_index and "" or NAV }
  sess:response_append((FRAME:gsub("%$(%a+)", parts)))
end

return page

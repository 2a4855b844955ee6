-- Server-sent events: a page that the server keeps up to date
--
-- The handler does not return: it appends an event each second until the browser goes away. Then its wait raises an error
-- that ends it, and what has to be put in order is put in order after the pcall, as with any other error. The browser
-- connects again by itself when the server was restarted.
--
-- Open /clock, in two windows if you like.
--
--     curl -N http://127.0.0.1:8080/clock/events

local httpsrv = require "httpsrv"
local page = require "page" -- lib/page.lua

local started = os.time()
local watching = 0

local function tick(sess)
  local event = {
    time = os.date("%H:%M:%S"),
    uptime = os.time() - started,
    watching = watching,
    memory = math.floor(collectgarbage("count")),
  }
  -- An event is lines of "field: value" and an empty line.
  sess:response_append("data: " .. httpsrv.json_encode(event) .. "\n\n")
  sess:response_flush()
end

httpsrv.register("GET", "/clock/events", function(sess)
  sess:response_status_set_std(200, "OK", "text/event-stream")
  sess:response_header_set("Cache-Control", "no-store")

  watching = watching + 1
  local _, err = pcall(function()
    while true do
      tick(sess)
      httpsrv.sleep(1)
    end
  end)
  watching = watching - 1
  error(err, 0)
end)

local BODY = [[
<p>Each second the server sends one event down a connection that stays open.</p>
<div class="card">
  <p id="time" class="big">--:--:--</p>
  <dl>
    <div><dt>server up</dt><dd id="uptime">–</dd></div>
    <div><dt>pages watching</dt><dd id="watching">–</dd></div>
    <div><dt>Lua memory</dt><dd id="memory">–</dd></div>
  </dl>
  <p class="quiet">Lua memory, the last minute</p>
  <svg viewBox="0 0 120 30" preserveAspectRatio="none" aria-hidden="true">
    <polyline fill="none" stroke="currentColor" vector-effect="non-scaling-stroke"/>
  </svg>
</div>
<h2>As it comes over the wire</h2>
<pre id="wire">connecting…</pre>
<script>
const by = id => document.getElementById(id);
const points = [], lines = [];
const source = new EventSource("/clock/events");
source.onmessage = message => {
  const event = JSON.parse(message.data);
  by("time").textContent = event.time;
  by("uptime").textContent = event.uptime + " s";
  by("watching").textContent = event.watching;
  by("memory").textContent = event.memory + " KiB";
  points.push(event.memory);
  if (points.length > 60) points.shift();
  const low = Math.min(...points), high = Math.max(...points, low + 1);
  document.querySelector("polyline").setAttribute("points",
    points.map((v, i) => (120 - 2 * (points.length - 1 - i)) + "," + (28 - 26 * (v - low) / (high - low))).join(" "));
  lines.push("data: " + message.data);
  if (lines.length > 8) lines.shift();
  by("wire").textContent = lines.join("\n\n");
};
source.onerror = () => { by("wire").textContent = "the server is gone; trying again…"; };
</script>
]]

httpsrv.register("GET", "/clock", function(sess)
  page.send(sess, "Clock", BODY)
end, { exact = true })

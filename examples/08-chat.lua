-- Long poll: a chat whose messages arrive at once
--
-- A request for messages that do not exist yet waits until somebody writes one. A request that waits costs a few hundred
-- bytes, not a thread, so thousands may.
--
-- Open /chat, in two windows.
--
--     curl 'http://127.0.0.1:8080/chat/messages?since=0'
--     curl http://127.0.0.1:8080/chat/messages -d '{"name": "Ada", "text": "hello"}'

local httpsrv = require "httpsrv"
local arg = require "arg" -- lib/arg.lua
local page = require "page" -- lib/page.lua

local KEEP = 100
local PATIENCE = 25 -- seconds; proxies on the way often give up after 30

local messages = {} -- number -> { name =, text = }, the last KEEP
local last = 0
local news = httpsrv.event() -- set when a message comes; then a new one takes its place

httpsrv.register("GET", "/chat/messages", function(sess)
  local since = arg.number(sess, "since", 0, 0, 1e15)
  if since == last then
    news:wait(httpsrv.now() + PATIENCE)
  end

  local list = {}
  -- A number beyond the last was given out before a restart: that client starts anew.
  for id = math.max(since > last and 1 or since + 1, last - KEEP + 1, 1), last do
    list[#list + 1] = messages[id]
  end
  sess:response_header_set("Cache-Control", "no-store")
  sess:response_json({ last = last, messages = #list > 0 and list or httpsrv.empty_array })
end)

httpsrv.register("POST", "/chat/messages", function(sess)
  local message = sess:request_data_get_json()
  if type(message) ~= "table" or type(message.name) ~= "string" or type(message.text) ~= "string" then
    return sess:response_status_set_std(400, 'a message looks like {"name": "Ada", "text": "hello"}', "text/plain")
  end
  last = last + 1
  messages[last] = { name = message.name, text = message.text }
  messages[last - KEEP] = nil

  local all = news
  news = httpsrv.event()
  all:set() -- wakes everybody who waits
  sess:response_status_set(204, "No Content")
end, { max_body = 4096 })

local BODY = [[
<p>Open this page in a second window. Each window holds one request that is answered when there is something to tell.</p>
<div class="card">
  <ol id="messages" aria-live="polite"></ol>
  <form id="form">
    <input id="name" aria-label="Your name" value="Ada" maxlength="40" size="8" required>
    <input id="text" aria-label="Message" placeholder="Say something" maxlength="1000" autocomplete="off" autofocus required>
    <button>Send</button>
  </form>
</div>
<p id="state" class="quiet" role="status">connecting…</p>
<script>
const by = id => document.getElementById(id);
function show(message) {
  const line = document.createElement("li"), who = document.createElement("b");
  who.textContent = message.name;
  line.append(who, " " + message.text); // as text: what others wrote is never HTML here
  by("messages").append(line);
  line.scrollIntoView({ block: "nearest" });
}
async function listen() {
  for (let since = 0;;) {
    try {
      const response = await fetch("/chat/messages?since=" + since);
      const news = await response.json();
      news.messages.forEach(show);
      since = news.last;
      by("state").textContent = "waiting for messages";
    } catch {
      by("state").textContent = "the server is gone; trying again…";
      await new Promise(done => setTimeout(done, 2000));
    }
  }
}
by("form").onsubmit = async event => {
  event.preventDefault();
  const message = { name: by("name").value, text: by("text").value };
  by("text").value = "";
  await fetch("/chat/messages", { method: "POST", body: JSON.stringify(message) });
};
listen();
</script>
]]

httpsrv.register("GET", "/chat", function(sess)
  page.send(sess, "Chat", BODY)
end, { exact = true })

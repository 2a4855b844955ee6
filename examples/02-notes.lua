-- JSON API: notes that are made, read, changed and deleted
--
-- JSON comes in and goes out as Lua tables. The notes are a local variable of this script: all requests of this process
-- share it, and nobody needs a lock, because a handler runs alone until it waits for something.
--
-- Open /notes or /notes/1.
--
--     curl http://127.0.0.1:8080/notes -d '{"text": "buy milk"}'
--     curl http://127.0.0.1:8080/notes
--     curl http://127.0.0.1:8080/notes/1 -X PUT -d '{"text": "buy oat milk", "done": true}'
--     curl http://127.0.0.1:8080/notes/1 -X DELETE -i

local httpsrv = require "httpsrv"

local KEEP = 100 -- the oldest note goes when there are more
local notes = { { id = 1, text = "read the examples", done = false } }
local last_id = 1

local function answer(sess, status, message, value)
  sess:response_status_set_std(status, message, "application/json")
  sess:response_json(value)
end

-- The note that the path names, or nothing after a 404.
local function find(sess)
  local note = notes[tonumber(sess:path_rest():match("^%d+$"))]
  if not note then
    answer(sess, 404, "Not Found", { error = "there is no such note" })
  end
  return note
end

-- What the client sent, or nothing after a 400. What comes from outside is checked before it is used.
local function body(sess)
  local value, err = sess:request_data_get_json()
  if value == nil then
    answer(sess, 400, "Bad Request", { error = err })
  elseif type(value) ~= "table" or type(value.text) ~= "string" then
    answer(sess, 400, "Bad Request", { error = 'a note looks like {"text": "buy milk", "done": false}' })
  else
    return { text = value.text, done = value.done == true }
  end
end

httpsrv.register("GET", "/notes", function(sess)
  if sess:path_rest() ~= "" then
    local note = find(sess)
    return note and answer(sess, 200, "OK", note)
  end
  local list = {}
  for id = last_id - KEEP + 1, last_id do
    list[#list + 1] = notes[id]
  end
  answer(sess, 200, "OK", #list > 0 and list or httpsrv.empty_array) -- {} alone could as well be an object
end)

-- No note needs more than 64 KiB: a larger body is answered with 413.
httpsrv.register("POST", "/notes", function(sess)
  local note = body(sess)
  if not note then
    return
  end
  last_id = last_id + 1
  note.id = last_id
  notes[last_id] = note
  notes[last_id - KEEP] = nil
  sess:response_header_set("Location", "/notes/" .. note.id)
  answer(sess, 201, "Created", note)
end, { max_body = 65536 })

httpsrv.register("PUT", "/notes", function(sess)
  local old = find(sess)
  local note = old and body(sess)
  if note then
    note.id = old.id
    notes[old.id] = note
    answer(sess, 200, "OK", note)
  end
end, { max_body = 65536 })

httpsrv.register("DELETE", "/notes", function(sess)
  local note = find(sess)
  if note then
    notes[note.id] = nil
    sess:response_status_set(204, "No Content")
  end
end)

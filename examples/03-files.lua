-- Files: uploads and downloads of any size
--
-- An upload is an io, a file is an io, and so is a download: chunks pass from one to the other, and a file of a gigabyte
-- needs no more memory than a small one. Both sides go at the client's pace.
--
-- Open /files for the list of what was uploaded.
--
--     curl -T film.mp4 http://127.0.0.1:8080/files/
--     curl -O http://127.0.0.1:8080/files/film.mp4
--     curl -X DELETE http://127.0.0.1:8080/files/film.mp4

local httpsrv = require "httpsrv"

local MAX_FILES = 16
local TOO_MANY = "there are many files already: DELETE one first"
local files = {} -- name -> { io =, size = }
local count = 0

-- A name from a client is a key of a table here and never a path, so there is none that could be dangerous.
local function name_of(sess)
  return sess:path_rest():match(".+")
end

local function refuse(sess, status, message)
  sess:response_status_set_std(status, message, "text/plain")
end

local function no_room(name)
  return count >= MAX_FILES and not files[name]
end

local function remove(name)
  files[name].io:close() -- a download in progress has a clone of its own and goes on
  files[name] = nil
  count = count - 1
end

httpsrv.register("PUT", "/files", function(sess)
  local name = name_of(sess)
  if not name then
    return refuse(sess, 400, "a name is missing: PUT /files/NAME")
  elseif no_room(name) then
    return refuse(sess, 507, TOO_MANY)
  end

  -- An unnamed file that is gone when it is closed. If the client goes away in the middle, the wait for the next chunk
  -- ends this function, and the file with it.
  local file = assert(httpsrv.io.tmpfile())
  local size = 0
  for chunk in sess:request_data_get():chunks() do
    assert(file:write(chunk))
    size = size + #chunk
  end

  -- Others have run while this handler waited: what was true before has to be looked at again.
  if no_room(name) then
    file:close()
    return refuse(sess, 507, TOO_MANY)
  end
  local replaced = files[name] ~= nil
  if replaced then
    remove(name)
  end
  files[name] = { io = file, size = size }
  count = count + 1
  sess:response_status_set_std(replaced and 200 or 201, replaced and "OK" or "Created", "application/json")
  sess:response_json({ name = name, size = size })
end, { max_body = 2 ^ 30 }) -- bodies may have 16 MiB where a route says nothing else

httpsrv.register("GET", "/files", function(sess)
  local name = name_of(sess)
  if not name then
    local list = {}
    for known, file in pairs(files) do
      list[#list + 1] = { name = known, size = file.size }
    end
    return sess:response_json(#list > 0 and list or httpsrv.empty_array)
  end

  local file = files[name]
  if not file then
    return refuse(sess, 404, "there is no such file")
  end
  -- What strangers have sent is saved by a browser, never shown as a page of ours.
  sess:response_status_set_std(200, "OK", "application/octet-stream")
  sess:response_header_set("Content-Disposition", "attachment")
  -- A clone reads the same file from the start, with a position of its own: several clients can download at once.
  sess:response_io(assert(file.io:clone()))
end)

httpsrv.register("DELETE", "/files", function(sess)
  local name = name_of(sess)
  if not files[name or ""] then
    return refuse(sess, 404, "there is no such file")
  end
  remove(name)
  sess:response_status_set(204, "No Content")
end)

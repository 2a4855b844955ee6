-- streams.lua - what tests/acceptance/streams.py asks for: every kind of stream, and the counts of what lives.
local httpsrv = require "httpsrv"
local dir = os.getenv "STREAMS_DIR"

httpsrv.register("GET", "/ping", function(sess)
  sess:response_status_set_std(200, "OK", "text/plain")
  sess:response_append("pong")
end)

httpsrv.register("GET", "/file", function(sess)
  local io = assert(httpsrv.io.open(dir .. "/big"))
  sess:response_status_set_std(200, "OK", "application/octet-stream")
  sess:response_io(io)
end)

local function upper(sess)
  local body = sess:request_data_get()
  sess:response_status_set_std(200, "OK", "text/plain")
  for chunk in body:chunks() do
    sess:response_append(chunk:upper())
  end
end
httpsrv.register("POST", "/upper", upper, { max_body = false })

-- Counts, so that the head is not out when the limit is passed.
httpsrv.register("POST", "/limited", function(sess)
  local body, n = sess:request_data_get(), 0
  for chunk in body:chunks() do
    n = n + #chunk
  end
  sess:response_append(tostring(n))
end)

httpsrv.register("POST", "/spool", function(sess)
  assert(sess:request_data_spool())
  local body = sess:request_data_get()
  sess:response_append(tostring(body:size()))
end, { max_body = 512 * 1024 * 1024 })

httpsrv.register("GET", "/lines", function(sess)
  sess:response_status_set_std(200, "OK", "text/plain")
  sess:response_io(httpsrv.io.generator(function(write)
    for i = 1, 1000000 do
      write("line " .. i .. "\n")
    end
  end))
end)

httpsrv.register("GET", "/fifo", function(sess)
  local io = assert(httpsrv.io.open(dir .. "/fifo"))
  sess:response_status_set_std(200, "OK", "text/plain")
  sess:response_io(io)
end)

httpsrv.register("GET", "/pieces", function(sess)
  local io = assert(httpsrv.io.popen { "/bin/sh", "-c", "for i in 1 2 3 4 5; do printf piece$i; sleep 0.05; done" })
  sess:response_status_set_std(200, "OK", "text/plain")
  sess:response_io(io.stdout, true)
end)

httpsrv.register("GET", "/sleep", function(sess)
  httpsrv.sleep(60)
  sess:response_append("slept")
end)

-- What lives now: "sessions ios tasks connections", after a full collection.
httpsrv.register("GET", "/live", function(sess)
  collectgarbage()
  collectgarbage()
  local live = httpsrv.live()
  sess:response_append(("%d %d %d %d"):format(live.sessions, live.ios, live.tasks, live.connections))
end)

-- The handlers of the benchmark's workloads; tests/bench/run compares them with the same ones on other servers.
local cjson = require "cjson"
local httpsrv = require "httpsrv"

local FILES = os.getenv("HTTPSRV_BENCH_FILES") or "."
local PIECE = string.rep("x", 16384)

-- W1, W3 and the request of a browser.
httpsrv.register("GET", "/hello", function(sess)
  sess:response_status_set_std(200, "OK", "text/plain")
  sess:response_append("Hello, World!")
end)

-- W2: a small object, encoded.
httpsrv.register("GET", "/json", function(sess)
  sess:response_status_set_std(200, "OK", "application/json")
  sess:response_append(cjson.encode({ message = "Hello, World!" }))
end)

-- W2b: an object of about 1 KiB, decoded and encoded.
httpsrv.register("POST", "/echo", function(sess)
  local value = cjson.decode(sess:request_data_get_string())
  sess:response_status_set_std(200, "OK", "application/json")
  sess:response_append(cjson.encode(value))
end)

-- W4: 1 MiB, or as many bytes as the path says, in writes of 16 KiB.
httpsrv.register("GET", "/stream", function(sess)
  local length = tonumber(sess:path_rest():match("%d+")) or 1048576
  sess:response_status_set_std(200, "OK", "application/octet-stream")
  sess:response_header_set("Content-Length", tostring(length))
  for _ = 1, math.floor(length / #PIECE) do
    sess:response_append(PIECE)
  end
  if length % #PIECE > 0 then
    sess:response_append(PIECE:sub(1, length % #PIECE))
  end
end)

-- W5a and W5b: a file.
httpsrv.register("GET", "/files", function(sess)
  local name = sess:path_rest():match("([%w._-]+)$")
  local io, message = httpsrv.io.open(FILES .. "/" .. name)
  if not io then
    sess:response_status_not_found("text/plain")
    sess:response_append(message)
    return
  end
  sess:response_status_set_std(200, "OK", "application/octet-stream")
  sess:response_io(io)
end)

-- W6: the body as one Lua string.
httpsrv.register("POST", "/upload", function(sess)
  local body = sess:request_data_get_string()
  sess:response_status_set_std(200, "OK", "text/plain")
  sess:response_append(tostring(#body))
end)

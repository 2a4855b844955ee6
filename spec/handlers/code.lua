--- Handlers whose code the specs send: PUT /code/NAME stores it, and a request to /run/NAME runs it, with the session and a table that
-- all of them share. The other prefixes are routes with options.
local httpsrv = require "httpsrv"

local codes, kept = {}, {}

httpsrv.pool("one", { threads = 1 })

-- On the chunk's first line, so that line numbers stay.
local PRELUDE = 'local sess, kept = ... local httpsrv = require "httpsrv" local cancelled = httpsrv.cancelled '

httpsrv.register("PUT", "/code", function(sess)
  local name = sess:path_rest()
  local text = assert(sess:request_data_get_string())
  local fn, err = loadstring(PRELUDE .. text, "@" .. name .. ".lua")
  if not fn then return sess:response_status_set_std(400, err, "text/plain") end
  codes[name] = fn
  sess:response_status_set(204)
end)

local function run(sess)
  local name = sess:path_rest():match("^[^/]*")
  local fn = codes[name]
  if not fn then return sess:response_status_not_found("text/plain") end
  return fn(sess, kept)
end

for prefix, options in pairs {
  ["/run"] = {},
  ["/continue"] = { on_abort = "continue" },
  ["/half"] = { client_half_close = "allow" },
  ["/limited"] = { handler_timeout = 0.2 },
  ["/small"] = { max_body = 10 },
  ["/unlimited"] = { max_body = false },
  ["/slashes"] = { encoded_slash = true },
} do
  httpsrv.register(nil, prefix, run, options)
end

-- GET alone: HEAD, OPTIONS and the rest are answered by the core.
httpsrv.register("GET", "/get", run)

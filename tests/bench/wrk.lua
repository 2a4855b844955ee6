-- wrk's side of a workload: sends the bytes of a file, a number of times at once, and prints one line of JSON.
-- wrk … -s wrk.lua URL -- FILE PIPELINE
-- luacheck: globals wrk init done

function init(args)
  local file = assert(io.open(args[1], "rb"))
  local bytes = file:read("*a"):rep(tonumber(args[2]))
  file:close()
  -- wrk asks for the request once, and sends it over and over without entering Lua again.
  wrk.format = function() return bytes end
end

function done(summary, latency)
  local errors = summary.errors
  print(("RESULT {\"requests\": %d, \"seconds\": %.6f, \"bytes\": %d, \"not_ok\": %d, \"socket_errors\": %d, "
    .. "\"p50_us\": %.3f, \"p99_us\": %.3f}"):format(summary.requests, summary.duration / 1e6, summary.bytes,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end

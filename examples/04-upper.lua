-- Upper: an answer that starts before the upload has ended
--
-- Each chunk is sent back as soon as it was received. When the client reads slowly the handler waits, and then nothing more
-- is read from the client either: no matter how much passes through, memory stays small.
--
--     echo 'hello there' | curl -T - http://127.0.0.1:8080/upper
--     yes httpsrv | head -c 100M | curl -sT - http://127.0.0.1:8080/upper | tail -n 1

local httpsrv = require "httpsrv"

local function upper(sess)
  local body = sess:request_data_get()
  sess:response_status_set_std(200, "OK", "text/plain; charset=utf-8")
  for chunk in body:chunks() do
    sess:response_append(chunk:upper())
    sess:response_flush() -- now, rather than when there is more to send
  end
end

-- Streams of any length: no limit on the body.
httpsrv.register("POST", "/upper", upper, { max_body = false })
httpsrv.register("PUT", "/upper", upper, { max_body = false })

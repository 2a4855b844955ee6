-- shows: session:request_data_get, session:response_append
-- An upload of any size is answered while it arrives, at the client's pace in both directions.
local httpsrv = require "httpsrv"

httpsrv.register("POST", "/upper", function(sess)
  for chunk in sess:request_data_get():chunks() do
    sess:response_append(chunk:upper())
  end
end)

--$ printf 'much text\n' | curl --data-binary @- http://127.0.0.1:8080/upper
--> MUCH TEXT

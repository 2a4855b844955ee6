-- shows: httpsrv.worker_init, httpsrv.worker_exit
-- Reads a table before the worker serves, and says good-bye when it ends.
local httpsrv = require "httpsrv"
local words

httpsrv.worker_init(function()
  httpsrv.sleep(0.01)   -- it may wait, for a file or another server
  words = { "hello", "world" }
end)

httpsrv.worker_exit(function() httpsrv.log("notice", "the worker ends") end)

httpsrv.register("GET", "/words", function(sess)
  sess:response_append(table.concat(words, " ") .. "\n")
end)

--$ curl http://127.0.0.1:8080/words
--> hello world
--! the worker ends

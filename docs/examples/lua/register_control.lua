-- shows: httpsrv.register_control, command:print, command:complain
-- A command that the running server carries out.
local httpsrv = require "httpsrv"

local visits = 0

httpsrv.register("GET", "/", function(sess)
  visits = visits + 1
  sess:response_append("hello\n")
end)

httpsrv.register_control("visits", function(cc)
  if cc.argv[1] == "reset" then
    visits = 0
  elseif cc.argv[1] then
    cc:complain("visits: what is " .. cc.argv[1] .. "?")
    return 2                                     -- the exit status
  end
  cc:print(visits)
end)

--$ curl http://127.0.0.1:8080/
--> hello
--$ httpsrv ctl visits
--> 1
--$ httpsrv ctl visits reset
--> 0
--$ httpsrv ctl visits please 2>&1; echo $?
--> visits: what is please?
--> 2

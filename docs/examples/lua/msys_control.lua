-- shows: msys.registerControl
-- A command for the running server, in the manual's Lua.
local msys = require("msys")

msys.registerControl("greet", function(cc)
  print("hello, " .. (cc.argv[1] or "you"))
end)

--$ httpsrv ctl greet Ann
--> hello, Ann
--$ httpsrv ctl greet
--> hello, you

-- shows: msys.httpsrv.register, msys.registerModule
-- A script in the reference manual's Lua: it runs as it stands.
require("msys.extended.httpsrv")

local mod = {}

local function whoami(session)
  local url = session:request_url_get()
  if url.attrs ~= nil and url.attrs.name ~= nil then
    session:response_status_set_std(200, "Hello, " .. url.attrs.name, "text/plain")
  else
    session:response_status_set_std(404, "nobody", "text/plain")
  end
  return msys.httpsrv.DONE
end

function mod:rsrc_setup()
  msys.httpsrv.register("GET", "/whoami", whoami)
  return true
end

msys.registerModule("whoami", mod)

--$ curl -w '\n' 'http://127.0.0.1:8080/whoami?name=Ann'
--> Hello, Ann
--$ curl -w '\n' http://127.0.0.1:8080/whoami
--> nobody

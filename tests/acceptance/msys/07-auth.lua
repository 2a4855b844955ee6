-- An auth scheme as the manual has it; where it counts is said by the last lines, as a configuration would.
require('msys.core');
require('msys.httpsrv');
local mod = {};
local auth = {};

function auth:enumGroups(username)
  return msys.core.EC_AUTH_FAIL;
end

function auth:authenticate(filename, paramsdict, username, password)
  msys.sleep(0.001);
  if username == "error" then
    return msys.core.EC_AUTH_ERROR;
  end
  if username == "odd" then
    return true;
  end
  if self == auth and username == "root" and password == "letmein" and filename != nil then
    _TLS.where = filename .. ", " .. paramsdict.group;
    return msys.core.EC_AUTH_OK;
  end;
  return msys.core.EC_AUTH_FAIL;
end

function mod:init()
  msys.registerAuth("myscheme", auth);
  return true;
end;

msys.registerModule("myauth", mod);

local httpsrv = require "httpsrv"
httpsrv.register_auth(nil, "/private", msys.authHandler("myscheme", { realm = 'The "staff"', filename = "users.txt", params = { group = "staff" } }))
httpsrv.register_auth(nil, "/nobody", msys.authHandler("none"))
msys.httpsrv.register("GET", "/private", function(session)
  session:response_status_set_std(200, "hello " .. session:request_username_get() .. " of " .. _TLS.where, "text/plain")
end)
msys.httpsrv.register("GET", "/nobody", function() end)

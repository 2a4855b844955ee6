--- msys.registerAuth: schemes that say whether a user name and a password belong together, and auth handlers that ask them.
-- @module msys.lib.auth
local C = select(2, ...)
local basic = require("httpsrv.auth").basic
local core = require "msys.lib.core"

local type, error, tostring, pairs = type, error, tostring, pairs

local M = {}

local schemes = {}

--- Registers a scheme.
-- @tparam string scheme
-- @tparam table auth auth:authenticate(filename, params, username, password) returns msys.core.EC_AUTH_OK, EC_AUTH_FAIL or
-- EC_AUTH_ERROR; it may wait. enumGroups and queryGroups may be there and are not called
-- @return true
function M.register(scheme, auth)
  if type(scheme) ~= "string" then
    C.arg_error(1, "registerAuth", "string expected, got " .. (scheme == nil and "no value" or type(scheme)))
  end
  if type(auth) ~= "table" then C.arg_error(2, "registerAuth", "table expected, got " .. (auth == nil and "no value" or type(auth))) end
  if type(auth.authenticate) ~= "function" then C.arg_error(2, "registerAuth", "authenticate: function expected") end
  if schemes[scheme] then C.throw(("the scheme '%s' is registered already"):format(scheme)) end
  schemes[scheme] = auth
  return true
end

local function check(options)
  local o = options == nil and {} or options
  if type(o) ~= "table" then C.arg_error(2, "authHandler", "table expected, got " .. type(o)) end
  for key, value in pairs(o) do
    local expected = ({ realm = "string", filename = "string", params = "table" })[key]
    if not expected then C.arg_error(2, "authHandler", ("unknown option '%s'"):format(tostring(key))) end
    if type(value) ~= expected then C.arg_error(2, "authHandler", ("option '%s': %s expected"):format(key, expected)) end
  end
  if o.realm and o.realm:find("%c") then C.arg_error(2, "authHandler", "option 'realm': control characters are not allowed") end
  return o
end

--- An auth handler for httpsrv.register_auth, or for the auth option of a route, that asks for a user name and a password (Basic, RFC 7617)
-- and has a scheme judge them. The scheme may be registered later; without it such requests are answered 500.
-- @tparam string scheme
-- @tparam[opt] table options realm = (the scheme's name), filename = and params = what authenticate is given
-- @treturn function
function M.handler(scheme, options)
  if type(scheme) ~= "string" then
    C.arg_error(1, "authHandler", "string expected, got " .. (scheme == nil and "no value" or type(scheme)))
  end
  local o = check(options)
  return basic({
    realm = o.realm or scheme,
    check = function(user, password)
      local auth = schemes[scheme]
      if not auth then error(("there is no auth scheme '%s'"):format(scheme), 0) end
      local result = auth:authenticate(o.filename, o.params or {}, user, password)
      if result == core.EC_AUTH_OK then return true end
      if result == core.EC_AUTH_FAIL then return false end
      error(("auth scheme '%s' failed: %s"):format(scheme, result == core.EC_AUTH_ERROR and "EC_AUTH_ERROR" or tostring(result)), 0)
    end,
  })
end

return M

---@meta httpsrv.auth
-- Types of require "httpsrv.auth", for the Lua language server.

---Ready-made auth handlers, for httpsrv.register_auth and the auth option of routes.
---@class httpsrv.auth
local auth = {}

---@class httpsrv.basic_options
---@field realm string
---@field users? table<string, string> name to password
---@field file? string a file of lines "name:crypt(3) hash", read again when it has changed
---@field check? fun(name: string, password: string, sess: httpsrv.session): boolean may wait

---An auth handler for Basic (RFC 7617): exactly one of users, file and check says who may. Hashes are computed in the CPU pool; names that nobody has
---cost as much. Raises for wrong options.
---@param options httpsrv.basic_options
---@return httpsrv.auth_handler
function auth.basic(options) end

---@class httpsrv.digest_options
---@field realm string
---@field users? table<string, string> name to password
---@field ha1? fun(name: string, sess: httpsrv.session): string? the hexadecimal SHA-256 of "name:realm:password"; may wait
---@field nonce_age? number seconds that a nonce serves (300)

---An auth handler for Digest (RFC 7616) with SHA-256 and qop=auth: exactly one of users and ha1 says who may. Each count of a nonce is taken once. Raises
---for wrong options.
---@param options httpsrv.digest_options
---@return httpsrv.auth_handler
function auth.digest(options) end

---Reads credentials or a challenge (RFC 9110 11.2): the scheme in lower case, and its token68 or its parameters with names in lower case. nil for what is neither.
---@param text string|nil
---@return string? scheme
---@return string? token68
---@return table<string, string>? parameters
function auth.parse(text) end

return auth

--- Ready-made auth handlers: Basic (RFC 7617) and Digest (RFC 7616), for httpsrv.register_auth and the auth option of routes.
-- Unknown users take as long as known ones, secrets are compared in constant time, and password hashes (crypt(3)) are computed in
-- the CPU pool while the handler waits.
-- @module httpsrv.auth
local C = select(2, ...)
local iolib = require "httpsrv.io"
local wait = require "httpsrv.wait"

local type, tostring, tonumber, error, pairs = type, tostring, tonumber, error, pairs
local floor = math.floor

local M = {}

local CREDENTIALS_MAX, FILE_MAX = 8192, 4 * 1024 * 1024

-- What is computed where a file names nobody at all; else a user that is not in it costs what the first one in it does.
local DUMMY = "$6$rounds=5000$httpsrvhttpsrv$"

--- The crypt(3) hash of a password by the setting of another hash. Waits.
-- @return hash, "" for a setting that is none; nil, message, code
local function crypt(password, setting)
  local job, msg, code = C.crypt_start(password, setting)
  if not job then return nil, msg, code end
  local ok
  ok, msg, code = wait.once(C.crypt_wait(job))
  if not ok then return nil, msg, code end
  return C.crypt_result(job) or ""
end

--- Credentials and challenges (RFC 9110 11.2): the scheme, and its token68 or its parameters.
-- @tparam ?string text an Authorization field's value
-- @return scheme in lower case, token68 | nil, { name in lower case = value } | nil; nil when it is malformed
function M.parse(text)
  if type(text) ~= "string" or #text > CREDENTIALS_MAX then return nil end
  local scheme, rest = text:match("^([%w!#$%%&'*+.^_`|~-]+) *(.*)$")
  if not scheme then return nil end
  scheme, rest = scheme:lower(), rest:gsub("[ \t]+$", "")
  local token = rest:match("^[%w._~+/-]+=*$")
  if token then return scheme, token end
  local found, at = {}, 1
  while at <= #rest do
    at = rest:match("^[ \t,]*()", at)
    if at > #rest then break end
    local name, after = rest:match("^([%w!#$%%&'*+.^_`|~-]+)[ \t]*=[ \t]*()", at)
    if not name then return nil end
    name = name:lower()
    if found[name] then return nil end -- two values can be read two ways
    local value
    if rest:sub(after, after) == '"' then
      local parts, i = {}, after + 1
      while true do
        local piece, stop = rest:match('^([^"\\]*)()', i)
        parts[#parts + 1] = piece
        local c = rest:sub(stop, stop)
        if c == '"' then
          at = stop + 1
          break
        elseif c == "\\" and stop < #rest then
          parts[#parts + 1] = rest:sub(stop + 1, stop + 1)
          i = stop + 2
        else
          return nil
        end
      end
      value = table.concat(parts)
    else
      value, at = rest:match("^([%w!#$%%&'*+.^_`|~-]+)()", after)
      if not value then return nil end
    end
    found[name] = value
    at = rest:match("^[ \t]*()", at)
    if at <= #rest and rest:sub(at, at) ~= "," then return nil end
  end
  return scheme, nil, found
end

local DIGITS = {}
for i = 1, 64 do DIGITS[("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"):byte(i)] = i - 1 end

--- Decodes base64 (RFC 4648 4). nil when it is none.
local function from_base64(text)
  local body, pad = text:match("^([%w+/]*)(=*)$")
  if not body or #text % 4 ~= 0 or #pad > 2 then return nil end
  local out, bits, n = {}, 0, 0
  for i = 1, #body do
    bits, n = bits * 64 + DIGITS[body:byte(i)], n + 6
    if n >= 8 then
      n = n - 8
      local high = floor(bits / 2 ^ n)
      out[#out + 1] = string.char(high)
      bits = bits - high * 2 ^ n
    end
  end
  return table.concat(out)
end

--- A file of lines "user:hash", read again when it has changed. A failure to read it is the handler's error.
local function file_users(name)
  local users, stamp, sample
  return function(user)
    local io, msg, code = iolib.open(name)
    if not io then error(("%s: %s (%s)"):format(name, msg, code), 0) end
    local text, why = io:read("*a")
    io:close()
    if not text then error(name .. ": " .. tostring(why), 0) end
    if #text > FILE_MAX then error(name .. ": too large", 0) end
    local now = C.digest("SHA256", text)
    if now ~= stamp then
      users, stamp, sample = {}, now, nil
      for line in text:gmatch("[^\r\n]+") do
        local who, hash = line:match("^([^:#][^:]*):([^:]+)")
        if who then users[who], sample = hash, sample or hash end
      end
    end
    return users[user], sample
  end
end

local function check_options(fname, o, known)
  if type(o) ~= "table" then C.arg_error(1, fname, "table of options expected, got " .. type(o)) end
  for key, value in pairs(o) do
    if not known[key] then C.arg_error(1, fname, ("unknown option '%s'"):format(tostring(key))) end
    if type(value) ~= known[key] then C.arg_error(1, fname, ("option '%s': %s expected"):format(key, known[key])) end
  end
  if type(o.realm) ~= "string" or o.realm:find("[%c]") then
    C.arg_error(1, fname, "option 'realm': string without control characters expected")
  end
end

local function quoted(text) return '"' .. text:gsub('[\\"]', "\\%0") .. '"' end

--- Basic authentication. Exactly one of users, file and check says who may.
-- @tparam table o realm =; users = { name = password }; file = a file of lines "name:crypt(3) hash", read again when it
-- has changed; check = function(name, password, sess) that may wait and returns whether they belong together
-- @return an auth handler
function M.basic(o)
  check_options("basic", o, { realm = "string", users = "table", file = "string", check = "function" })
  if (o.users and 1 or 0) + (o.file and 1 or 0) + (o.check and 1 or 0) ~= 1 then
    C.arg_error(1, "basic", "exactly one of 'users', 'file' and 'check' expected")
  end
  local challenge = "Basic realm=" .. quoted(o.realm) .. ', charset="UTF-8"'
  local nobody = C.random(32)
  local lookup = o.file and file_users(o.file)

  local function right(name, password, sess)
    if o.check then return o.check(name, password, sess) == true end
    if o.users then
      local known = o.users[name]
      local same = C.equal(password, known or nobody)
      return known ~= nil and same
    end
    local known, sample = lookup(name)
    local hash, msg, code = crypt(password, known or sample or DUMMY)
    if not hash then
      if code == "EINVAL" then return false end
      error(msg, 0)
    end
    return known ~= nil and C.equal(hash, known)
  end

  return function(sess)
    local scheme, token = M.parse(sess:request_header_get("Authorization"))
    local text = scheme == "basic" and token and from_base64(token)
    local name, password = (text or ""):match("^([^:%c]*):(.*)$")
    if name and not password:find("[%c]") and right(name, password, sess) then return true, name end
    return nil, challenge
  end
end

--- Digest authentication with SHA-256 and qop=auth.
-- @tparam table o realm =; users = { name = password }, or ha1 = function(name, sess) that may wait and gives the hexadecimal SHA-256 of
-- "name:realm:password", or nil; nonce_age = seconds that a nonce serves (300)
-- @return an auth handler
function M.digest(o)
  check_options("digest", o, { realm = "string", users = "table", ha1 = "function", nonce_age = "number" })
  if (o.users == nil) == (o.ha1 == nil) then C.arg_error(1, "digest", "exactly one of 'users' and 'ha1' expected") end
  local function H(text) return C.digest("SHA256", text) end
  -- Shared, so that any worker takes a nonce that another has given. Counts are each worker's own.
  local key = H(C.secret() .. "digest\0" .. o.realm)
  local opaque, age = H(key .. "opaque"):sub(1, 16), o.nonce_age or 300
  local counts, made = {}, 0 -- nonce -> the highest count used; those of unexpired nonces only
  local nobody = H(C.random(32))

  local function seal(stamp) return H(key .. stamp .. H(key .. stamp)) end

  local function new_nonce()
    local stamp = ("%x-%s"):format(floor(C.now() * 1000), H(C.random(16)):sub(1, 16))
    return stamp .. "-" .. seal(stamp):sub(1, 32)
  end

  --- Whether a nonce is one of ours, and not yet too old.
  local function judge_nonce(nonce)
    local stamp, mac = nonce:match("^(%x+%-%x+)%-(%x+)$")
    if not stamp or not C.equal(mac, seal(stamp):sub(1, 32)) then return false, false end
    return true, C.now() * 1000 - tonumber(stamp:match("^%x+"), 16) <= age * 1000
  end

  local function forget_old()
    made = made + 1
    if made < 1000 then return end
    made = 0
    for nonce in pairs(counts) do
      local _, fresh = judge_nonce(nonce)
      if not fresh then counts[nonce] = nil end
    end
  end

  local function challenge(stale)
    return ("Digest realm=%s, qop=\"auth\", algorithm=SHA-256, nonce=\"%s\", opaque=\"%s\", charset=UTF-8%s"):format(
      quoted(o.realm), new_nonce(), opaque, stale and ", stale=true" or "")
  end

  return function(sess)
    local scheme, _, p = M.parse(sess:request_header_get("Authorization"))
    if scheme ~= "digest" or not p then return nil, challenge() end
    local nc = (p.nc or ""):match("^%x%x%x%x%x%x%x%x$")
    if not (p.username and p.nonce and p.uri and p.response and p.cnonce and nc) or p.realm ~= o.realm or p.qop ~= "auth"
      or (p.algorithm or ""):upper() ~= "SHA-256" or p.uri ~= sess:request_url_get().url or p.username:find("[%c]") then
      return nil, challenge()
    end
    local ha1
    if o.users then
      local password = o.users[p.username]
      ha1 = H(p.username .. ":" .. o.realm .. ":" .. (password or nobody))
      if not password then ha1 = nobody end
    else
      ha1 = o.ha1(p.username, sess) or nobody
    end
    local ha2 = H(sess:request_method_get() .. ":" .. p.uri)
    local expected = H(table.concat({ ha1, p.nonce, nc, p.cnonce, p.qop, ha2 }, ":"))
    if not C.equal(expected, p.response:lower()) then return nil, challenge() end
    -- The secret is right: what is wrong with the nonce is no reason to ask the user again.
    local ours, fresh = judge_nonce(p.nonce)
    local count = tonumber(nc, 16)
    if not ours or not fresh or count <= (counts[p.nonce] or 0) then return nil, challenge(true) end
    if not counts[p.nonce] then forget_old() end
    counts[p.nonce] = count
    return true, p.username
  end
end

return M

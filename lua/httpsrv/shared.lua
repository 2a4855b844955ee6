--- Memory that all workers share: dictionaries by name, whose entries outlive workers and reloads, until the server ends (or is
-- replaced by a new binary).
-- Every call is atomic. When a dictionary is full, what has not been used for longest makes room for what is new. A worker that dies
-- in the midst of a
-- call leaves the value before it or the one after it, never half of one.
-- @module httpsrv.shared
local C = select(2, ...)

local type, tonumber, setmetatable, tostring = type, tonumber, setmetatable, tostring

local M = {}

local opened = {} -- name -> dictionary, so that one name is one object

--- A dictionary made by httpsrv.shared.
-- @type shared
local shared = {}
local shared_mt = { __index = shared, __name = "shared" }

function shared_mt:__tostring() return ("shared memory '%s'"):format(self.name) end

local function self_of(self, fname)
  local d = type(self) == "table" and opened[self.name] == self and self.d
  if not d then C.throw(("calling '%s' on bad self (shared memory expected, got %s)"):format(fname, type(self))) end
  return d
end

local function check_key(key, fname)
  if type(key) == "number" then key = tostring(key) end
  if type(key) ~= "string" then C.arg_error(1, fname, "string expected, got " .. (key == nil and "no value" or type(key))) end
  if #key == 0 or #key > 65535 then C.arg_error(1, fname, "key of 1 to 65535 bytes expected") end
  return key
end

local function check_seconds(seconds, n, fname)
  if seconds == nil then return 0 end
  if type(seconds) ~= "number" or seconds ~= seconds or seconds < 0 then C.arg_error(n, fname, "number of seconds expected") end
  return seconds
end

local function check_number(v, n, fname)
  if type(v) ~= "number" then C.arg_error(n, fname, "number expected, got " .. type(v)) end
  return v
end

local function put(self, fname, how, key, value, seconds)
  local d = self_of(self, fname)
  key = check_key(key, fname)
  local t = type(value)
  if t ~= "string" and t ~= "number" and t ~= "boolean" then
    C.arg_error(2, fname, "string, number or boolean expected, got " .. (value == nil and "nil" or t))
  end
  return C.shared_put(d, key, value, check_seconds(seconds, 3, fname), how)
end

--- The value of a key; nil when there is none, or its time is over.
-- @tparam string key of 1 to 65535 bytes
function shared:get(key) return C.shared_get(self_of(self, "get"), check_key(key, "get")) end

--- Sets a value, whether or not there is one. nil deletes.
-- @tparam string key
-- @tparam string|number|boolean|nil value
-- @tparam[opt] number seconds after which it is gone; 0: never
-- @return true | nil, message, "ENOSPC" when it is larger than all of the memory
function shared:set(key, value, seconds)
  if value == nil then
    C.shared_delete(self_of(self, "set"), check_key(key, "set"))
    return true
  end
  return put(self, "set", 0, key, value, seconds)
end

--- The same, only when there is none yet: who gets true has set it, and nobody else has.
-- @return true | nil, "exists", "EEXIST"
function shared:add(key, value, seconds) return put(self, "add", 1, key, value, seconds) end

--- The same, only when there is one.
-- @return true | nil, "not found", "ENOENT"
function shared:replace(key, value, seconds) return put(self, "replace", 2, key, value, seconds) end

--- Adds to a number. Where there is none init is taken for it, when given, and the sum then has an end after so many seconds, if not 0.
-- @tparam string key
-- @tparam[opt=1] number by
-- @tparam[opt] number init
-- @tparam[opt] number seconds
-- @return the sum | nil, "not found", "ENOENT" | nil, "not a number", "EINVAL"
function shared:incr(key, by, init, seconds)
  local d = self_of(self, "incr")
  key = check_key(key, "incr")
  by = check_number(by == nil and 1 or by, 2, "incr")
  if init ~= nil then check_number(init, 3, "incr") end
  return C.shared_incr(d, key, by, init, check_seconds(seconds, 4, "incr"))
end

--- Deletes a key. Whether there was one.
function shared:delete(key) return C.shared_delete(self_of(self, "delete"), check_key(key, "delete")) end

--- The seconds that are left of a key's time; 0: it has no end.
-- @return number | nil, "not found", "ENOENT"
function shared:ttl(key) return C.shared_ttl(self_of(self, "ttl"), check_key(key, "ttl")) end

--- Gives a key's value another end, after so many seconds; 0: none.
-- @return true | nil, "not found", "ENOENT"
function shared:expire(key, seconds)
  local d = self_of(self, "expire")
  key = check_key(key, "expire")
  if seconds == nil then C.arg_error(2, "expire", "number of seconds expected") end
  return C.shared_expire(d, key, check_seconds(seconds, 2, "expire"))
end

--- Deletes everything.
function shared:flush() C.shared_flush(self_of(self, "flush")) end

local function check_max(max, otherwise, fname)
  if max == nil then return otherwise end
  if type(max) ~= "number" or max < 0 or max % 1 ~= 0 then C.arg_error(1, fname, "whole number expected") end
  return max
end

--- Deletes those whose time is over: all, or so many at most. They are deleted anyway, when somebody asks for them or room is needed.
-- @tparam[opt=0] number max
-- @treturn number how many
function shared:flush_expired(max)
  return C.shared_flush_expired(self_of(self, "flush_expired"), check_max(max, 0, "flush_expired"))
end

--- The keys, those used last first: at most 1024, or so many; 0: all. Others wait while they are gathered.
-- @tparam[opt=1024] number max
-- @treturn table
function shared:keys(max) return C.shared_keys(self_of(self, "keys"), check_max(max, 1024, "keys")) end

--- Its figures: { size =, free = (bytes), count = (entries, also such whose time is over), evicted = (entries that have made room),
-- repaired = (times that a worker has died in the midst of writing) }.
function shared:stat() return C.shared_stat(self_of(self, "stat")) end

local units = { [""] = 1, K = 1024, M = 1024 ^ 2, G = 1024 ^ 3 }

local function bytes_of(size)
  if type(size) == "string" then
    local number, unit = size:match("^(%d+)([KMG]?)$")
    size = number and tonumber(number) * units[unit]
  end
  if type(size) ~= "number" or size < 16384 or size % 1 ~= 0 then
    C.arg_error(2, "shared", 'size of at least 16384 bytes expected, as a number or a string such as "10M"')
  end
  return size
end

--- The dictionary of a name, which all workers, all generations of scripts and all pool threads share. Whoever asks first makes it,
-- of so many bytes, out of what
-- the setting shared-memory gives; later it is had with the size that it has, also without one. Costs no memory until it is used.
-- @tparam string name of up to 128 bytes
-- @tparam[opt] number|string size bytes, or "64K", "10M", "1G"; nil: it has to be there
-- @treturn shared | nil, message, code ("ENOSPC": no room for it, "ENOENT", "ENOTSUP": shared-memory is none)
function M.shared(name, size)
  if type(name) ~= "string" then C.arg_error(1, "shared", "string expected, got " .. (name == nil and "no value" or type(name))) end
  if #name == 0 or #name > 128 or name:byte() < 32 then C.arg_error(1, "shared", "name of 1 to 128 bytes expected") end
  local bytes = size ~= nil and bytes_of(size) or 0
  if opened[name] then return opened[name] end
  local d, message, code = C.shared_open(name, bytes)
  if not d then return nil, message, code end
  opened[name] = setmetatable({ name = name, d = d }, shared_mt)
  return opened[name]
end

return M

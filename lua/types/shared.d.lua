---@meta
-- What httpsrv.shared gives.

---A dictionary that all workers, reloads and pool threads share.
---@class httpsrv.shared
local shared = {}

---@param key string
---@return string|number|boolean|nil
function shared:get(key) end
---Sets a value; nil deletes.
---@param key string
---@param value string|number|boolean|nil
---@param seconds? number 0: no end
---@return true?, string? message, string? code "ENOSPC"
function shared:set(key, value, seconds) end
---Sets it when there is none.
---@param key string
---@param value string|number|boolean
---@param seconds? number
---@return true?, string? message, string? code "EEXIST"
function shared:add(key, value, seconds) end
---Sets it when there is one.
---@param key string
---@param value string|number|boolean
---@param seconds? number
---@return true?, string? message, string? code "ENOENT"
function shared:replace(key, value, seconds) end
---Adds to a number; init stands for one that is not there.
---@param key string
---@param by? number 1
---@param init? number
---@param seconds? number
---@return number? sum, string? message, string? code "ENOENT", "EINVAL"
function shared:incr(key, by, init, seconds) end
---@param key string
---@return boolean whether there was one
function shared:delete(key) end
---The seconds left; 0: no end.
---@param key string
---@return number?, string? message, string? code "ENOENT"
function shared:ttl(key) end
---@param key string
---@param seconds number 0: no end
---@return true?, string? message, string? code "ENOENT"
function shared:expire(key, seconds) end
function shared:flush() end
---@param max? integer
---@return integer
function shared:flush_expired(max) end
---@param max? integer 1024; 0: all
---@return string[]
function shared:keys(max) end
---@return { size: number, count: number, free: number, evicted: number, repaired: number }
function shared:stat() end

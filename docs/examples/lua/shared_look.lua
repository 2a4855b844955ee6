-- shows: shared:keys, shared:ttl, shared:expire, shared:flush, shared:flush_expired, shared:stat
-- Looks into shared memory, and empties it.
local httpsrv = require "httpsrv"
local d = assert(httpsrv.shared("looked at", "64K"))

d:set("a", 1)
d:set("b", 2, 0.005)
print(table.concat(d:keys(), " "))            --> b a
print(d:ttl("a"), d:ttl("b") <= 0.005)        --> 0	true
d:expire("a", 3600)
httpsrv.sleep(0.01)
print(d:get("b"), d:flush_expired())          --> nil	0
print(d:stat().count, d:stat().evicted)       --> 1	0
d:flush()
print(d:stat().count)                         --> 0

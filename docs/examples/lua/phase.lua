-- shows: httpsrv.phase, httpsrv.async_ok, httpsrv.in_pool
-- Where a script is being run, and whether it may wait there.
local httpsrv = require "httpsrv"

print(httpsrv.phase())      --> run
print(httpsrv.async_ok())   --> true
print(httpsrv.in_pool())    --> false
table.sort({ 2, 1 }, function(a, b)
  print(httpsrv.async_ok()) --> false
  return a < b
end)

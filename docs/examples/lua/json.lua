-- shows: httpsrv.json_encode, httpsrv.json_decode
-- JSON text and Lua values.
local httpsrv = require "httpsrv"

print(httpsrv.json_encode { 1, "two", httpsrv.null })    --> [1,"two",null]
print(httpsrv.json_encode { list = httpsrv.empty_array }) --> {"list":[]}
print(httpsrv.json_decode('{"n": 42}').n)                 --> 42
print(httpsrv.json_decode("[1,"))                         --> nil	Expected value but found T_END at byte 4	EINVAL

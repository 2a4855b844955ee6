-- shows: httpsrv.io.define
-- A scheme of the script's own: upper://TEXT reads as TEXT in capitals.
local httpsrv = require "httpsrv"

httpsrv.io.define {
  scheme = "upper",
  open = function(name) return { text = name:match("://(.*)"):upper() } end,
  read = function(state, n)
    local piece = state.text:sub(1, n)
    state.text = state.text:sub(n + 1)
    return piece ~= "" and piece or nil
  end,
}

print(httpsrv.io.open("upper://hello"):read("*a"))   --> HELLO

require "msys.core"
local M = { mode = 0644 }
function M.both(a, b) return a | b end
return M

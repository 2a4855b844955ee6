--- The reference manual's Lua: the namespace msys, whole, whichever of its modules a script requires.
-- A thin layer over httpsrv. Scripts that require one of these modules are translated first (msys.translate). What is here, what
-- differs from the manual, and what of the mail server is not here: docs/msys.md.
-- @module msys
local C = select(2, ...)
local httpsrv = require "httpsrv"

local M = {}
package.loaded["msys"] = M -- what it requires may require it

-- Scripts use these without asking for them.
rawset(_G, "msys", M)
rawset(_G, "_TLS", require("msys.lib.tls"))
rawset(_G, "_OSTLS", {})

--- Constants, ios, dictionaries, strings.
-- @see msys.lib.core
M.core = require "msys.lib.core"

--- HTTP endpoints: register(method, path, fn) and DONE, as those of httpsrv.
M.httpsrv = { register = httpsrv.register, DONE = httpsrv.DONE }

--- after, at and every, as those of httpsrv.timer: a timer goes on when nobody holds it any more.
M.timer = httpsrv.timer

--- Waits.
-- @function msys.sleep
-- @tparam number seconds
-- @return true
M.sleep = httpsrv.sleep

--- Whether a wait is possible here.
-- @function msys.asyncOk
-- @treturn boolean
M.asyncOk = httpsrv.async_ok

--- Registers a command for httpsrv ctl.
-- @function msys.registerControl
-- @tparam string prefix
-- @tparam function fn called with cc: cc.argc, cc.argv[0] (its name) to cc.argv[cc.argc - 1], nil past the last; print goes to
-- whoever sent it
-- @return true
M.registerControl = httpsrv.register_control

local lock = require "msys.lib.lock"
M.lock, M.unlock = lock.lock, lock.unlock
M.registerModule = require("msys.lib.module").register
M.runInPool = require("msys.lib.pool").runInPool

local auth = require "msys.lib.auth"
M.registerAuth, M.authHandler = auth.register, auth.handler

--- Which thread pools there are, and what they have done.
-- @see msys.lib.threadpool
M.threadpool = require "msys.lib.threadpool"

--- The whole of a file, or of what a scheme ("name://…") stands for. Waits.
-- @tparam string name relative names are below the script directory; "file://" may stand before a path
-- @treturn[1] string
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code, such as "ENOENT"
function M.readfile(name)
  if type(name) ~= "string" then C.arg_error(1, "readfile", "string expected, got " .. type(name)) end
  local io, msg, code = httpsrv.io.open((name:gsub("^file://", "")))
  if not io then return nil, msg, code end
  local text
  text, msg, code = io:read("*a")
  io:close()
  if text == nil and msg then return nil, msg, code end
  return text or ""
end

return M

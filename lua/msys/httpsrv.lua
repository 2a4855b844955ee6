--- require "msys.httpsrv" gives msys.httpsrv, and the rest of msys with it.
-- @module msys.httpsrv
return require("msys").httpsrv

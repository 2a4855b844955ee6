--- require "msys.extended.httpsrv" gives msys.httpsrv; sessions have all their methods anyway.
-- @module msys.extended.httpsrv
return require("msys").httpsrv

--- require "msys.threadpool" gives msys.threadpool, and the rest of msys with it.
-- @module msys.threadpool
return require("msys").threadpool

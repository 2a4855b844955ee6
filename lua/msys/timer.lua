--- require "msys.timer" gives msys.timer, and the rest of msys with it.
-- @module msys.timer
return require("msys").timer

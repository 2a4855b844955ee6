--- require "msys.core" gives msys.core, and the rest of msys with it.
-- @module msys.core
return require("msys").core

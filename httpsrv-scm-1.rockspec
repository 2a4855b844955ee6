-- Builds with the Makefile; the command carries its Lua modules inside, the files are for editors
-- and for reading. Needs LuaJIT's headers and library (found by pkg-config, whatever Lua runs
-- LuaRocks), and at run time lua-cjson, as a rock or from the system.
rockspec_format = "3.0"
package = "httpsrv"
version = "scm-1"
source = {
  url = "git+file://.",
}
description = {
  summary = "A Lua-scriptable HTTP server",
  detailed = [[
You write handlers in Lua, put them in a directory, and run "httpsrv serve DIR". Inside is a C core
built on libevent; LuaJIT runs the handlers as coroutines that read straight down and yield when an
io would block. C programs can embed the same core as a library.]],
  license = "MIT",
}
dependencies = {
  "lua == 5.1",
}
external_dependencies = {
  EVENT = { header = "event2/event.h" },
  ZLIB = { header = "zlib.h" },
  CRYPTO = { header = "openssl/evp.h" },
  JSONC = { header = "json-c/json.h" },
  XML2 = { header = "libxml2/libxml/parser.h" },
  CRYPT = { header = "crypt.h" },
}
build = {
  type = "make",
  build_target = "all",
  -- In both passes, or the second would build again.
  variables = {
    CC = "$(CC)",
    CFLAGS = "$(CFLAGS)",
    LUA_INCDIR = "$(LUA_INCDIR)",
    LUA_LIBDIR = "$(LUA_LIBDIR)",
  },
  -- LuaRocks moves what is in lib/ to where Lua looks for C modules, which these are not: the
  -- library and its headers stay in the rock's own folder, below c/.
  install_variables = {
    PREFIX = "$(PREFIX)",
    BINDIR = "$(BINDIR)",
    LUADIR = "$(LUADIR)",
    LIBDIR = "$(PREFIX)/c/lib",
    INCLUDEDIR = "$(PREFIX)/c/include/httpsrv",
  },
}

-- Scripts are LuaJIT's Lua; nothing writes a global. tests/acceptance/msys is the reference manual's Lua, which luacheck cannot read.
std = "luajit"
max_line_length = 140
exclude_files = { "lua/types", "**/*.d.lua", "tests/lint/fixtures", "tests/acceptance/msys", "build" }
files["spec"] = { std = "+busted" }
files["docs/examples/lua/msys_*.lua"] = { read_globals = { "msys" }, self = false }

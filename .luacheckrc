-- Scripts are LuaJIT's Lua; nothing writes a global.
std = "luajit"
max_line_length = 140
exclude_files = { "lua/types", "**/*.d.lua", "tests/lint/fixtures", "build" }
files["spec"] = { std = "+busted" }

-- LuaJIT's Lua: nothing of the manual's.
return { mode = 0644 }

-- stub.lua - run with a module's name and value when it has been loaded; puts a stub in the place of the function that API_STUB names.
-- API_STUB: "nothing httpsrv.io.open" or "fails io:read read,chunks,lines": what the stub does, the function, all methods of its kind.
local module, value = ...
local how, name, methods = (os.getenv("API_STUB") or ""):match("^(%a+) (%S+) ?(%S*)$")
if not how then return value end

local stub = how == "fails" and function() return nil, "stub", "EIO" end or function() end

local function replace_in_module(path)
  local t, last = value, nil
  for part in path:gmatch("[%w_]+") do
    if last then t = t[last] end
    if type(t) ~= "table" then return end
    last = part
  end
  if rawget(t, last) ~= nil then rawset(t, last, stub) end
end

-- Whether a table holds the methods of the kind.
local function is_kind(t)
  for method in methods:gmatch("[%w_]+") do
    local f = rawget(t, method)
    if type(f) ~= "function" then return false end
  end
  return true
end

-- Methods are found wherever anything that the state holds leads to them.
local function replace_methods(method)
  local seen, todo, found = {}, { debug.getregistry(), value }, {}
  local function look_at(v)
    local kind = type(v)
    if (kind == "table" or kind == "function" or kind == "userdata") and not seen[v] then
      seen[v] = true
      todo[#todo + 1] = v
    end
  end
  while #todo > 0 do
    local v = table.remove(todo)
    look_at(debug.getmetatable(v))
    if type(v) == "table" then
      if is_kind(v) then found[#found + 1] = v end
      for key, item in next, v do
        look_at(key)
        look_at(item)
      end
    elseif type(v) == "function" then
      for i = 1, math.huge do
        local upvalue, item = debug.getupvalue(v, i)
        if not upvalue then break end
        look_at(item)
      end
    end
  end
  for _, t in ipairs(found) do rawset(t, method, stub) end
end

local method = name:match(":([%w_]+)$")
if method then
  replace_methods(method)
elseif name:sub(1, #module + 1) == module .. "." then
  replace_in_module(name:sub(#module + 2))
end
return value

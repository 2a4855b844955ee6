-- lua_api.lua - the public Lua API as lua/types/*.d.lua declares it; spec/types_spec.lua holds that against the runtime.
--
-- A function of a module has the name by which a script reaches it, "httpsrv.io.open"; a method that of its kind, "io:read".
local files = require("files")

local lua_api = {}

-- The classes of a file: { local name = { class =, functions = {...} } }, and the fields by which one class holds another.
local function parse(root, path)
  local classes, fields, order = {}, {}, {}
  local class, notes, number = nil, {}, 0
  for line in (files.read(root, path) .. "\n"):gmatch("(.-)\n") do
    number = number + 1
    local name = line:match("^%-%-%-@class%s+([%w_.]+)")
    local local_name = line:match("^local%s+([%w_]+)%s*=%s*{}") or line:match("^([%w_.]+)%s*=%s*{}")
    local owner, mark, fname, arguments = line:match("^function%s+([%w_.]+)([.:])([%w_]+)(%b())")
    if owner and not classes[owner] and owner:find(".", 1, true) then -- function msys.core.x()
      classes[owner] = { class = owner, functions = {} }
      order[#order + 1] = owner
    end
    if name then
      class = name
    elseif local_name and class then
      classes[local_name] = { class = class, functions = {} }
      order[#order + 1] = local_name
      class = nil
    elseif line:match("^%-%-%-@field") and class then
      local field, target = line:match("^%-%-%-@field%s+([%w_]+)%??%s+([%w_.]+)")
      if field then
        fields[target] = { class, field }
      end
    elseif owner then
      local into = assert(classes[owner], path .. ":" .. number .. ": no class " .. owner)
      into.functions[#into.functions + 1] =
        { short = fname, mark = mark, arguments = arguments, notes = notes, path = path, line = number, class = into.class }
    end
    if line:match("^%-%-%-") then
      notes[#notes + 1] = line:sub(4)
    else
      notes = {}
    end
  end
  return classes, fields, order
end

-- What a note of the language server says: the text, the parameters { name =, type =, text =, optional = } and the results.
local function digest(fn)
  local text
  fn.params, fn.returns = {}, {}
  for _, note in ipairs(fn.notes) do
    local name, rest = note:match("^@param%s+([%w_.]+%??)%s+(.*)$")
    local result = note:match("^@return%s+(.*)$")
    if name then
      fn.params[#fn.params + 1] = { name = name:gsub("%?$", ""), optional = name:find("?", 1, true) ~= nil, type = rest }
    elseif result then
      fn.returns[#fn.returns + 1] = result
    elseif not note:match("^@") then
      text = (text and text .. " " or "") .. note
    end
  end
  fn.text = text
end

--- All public functions, in the order of the files: { name =, short =, class =, params =, returns =, text =, path =, line = }.
function lua_api.functions(root)
  local list = {}
  for _, path in ipairs(files.list(root, { "lua/types" }, { ".d.lua" })) do
    local classes, fields, order = parse(root, path)
    local function reach(class)
      local by = fields[class]
      return by and reach(by[1]) .. "." .. by[2] or class
    end
    for _, key in ipairs(order) do
      for _, fn in ipairs(classes[key].functions) do
        digest(fn)
        fn.name = fn.mark == ":" and fn.class:match("[^.]+$") .. ":" .. fn.short or reach(fn.class) .. "." .. fn.short
        list[#list + 1] = fn
      end
    end
  end
  return list
end

return lua_api

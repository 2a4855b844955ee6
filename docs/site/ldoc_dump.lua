-- ldoc_dump.lua - for ldoc --filter ldoc_dump.dump: what LDoc has read, as a Lua table on stdout.
local pretty = require "pl.pretty"

local function texts(list)
  local out = {}
  for i, text in ipairs(list or {}) do
    out[i] = tostring(text)
  end
  return out
end

local function item_of(item)
  local params = {}
  for i, name in ipairs(item.params or {}) do
    local modifiers = item.modifiers and item.modifiers.param and item.modifiers.param[i] or {}
    params[i] = {
      name = name,
      type = type(modifiers.type) == "string" and modifiers.type or nil,
      optional = modifiers.opt and (modifiers.opt == true or tostring(modifiers.opt)) or nil,
      text = item.params.map and item.params.map[name] or nil,
    }
  end
  return {
    name = item.name,
    line = item.lineno,
    section = item.section,
    text = (item.summary or "") .. (item.description or ""),
    params = params,
    returns = texts(item.ret),
  }
end

local function dump(modules)
  local out = {}
  for i, module in ipairs(modules) do
    local items = {}
    for k, item in ipairs(module.items) do
      items[k] = item_of(item)
    end
    out[i] = {
      name = module.name,
      file = type(module.file) == "table" and module.file.filename or module.file,
      text = (module.summary or "") .. (module.description or ""),
      items = items,
    }
  end
  print("return " .. pretty.write(out))
end

return { dump = dump }

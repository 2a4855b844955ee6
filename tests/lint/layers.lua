-- layers.lua - a file includes only its own floor and those below: lua layers.lua ROOT
--
-- base <- io <- http <- session <- dispatch <- server; bindings stands above dispatch, and only
-- server may include it. A public header belongs to the floor that implements it. Libraries are
-- kept to the floors that wrap them.
local files = require("files")

local root = arg[1] or "."

local rank = { base = 1, io = 2, http = 3, session = 4, dispatch = 5, bindings = 6, server = 7 }

-- The floor of a public header, by the longest prefix of its name; others take the highest floor
-- among the headers that they include.
local public_floor = {
  ["misc/"] = "base",
  ["io_wrapper"] = "io",
  ["ec_growbuf"] = "io",
  ["modules/listeners/"] = "session",
  ["httpsrv/"] = "server",
}

-- What only some floors may include: the prefix of a system header, and the first floor that may.
local library_floor = {
  { "event2/", "io" },
  { "event.h", "io" },
  { "zlib.h", "io" },
  { "lua", "bindings" },
  { "lauxlib.h", "bindings" },
}

local sources = files.list(root, { "core", "bindings" }, { ".c", ".h" })
local exists = {}
for _, path in ipairs(sources) do
  exists[path] = true
end

local function includes(path)
  local list, number = {}, 0
  for line in (files.read(root, path) .. "\n"):gmatch("(.-)\n") do
    number = number + 1
    local open, name = line:match('^%s*#%s*include%s*([<"])([^>"]+)[>"]')
    if name then
      list[#list + 1] = { name = name, system = open == "<", line = number }
    end
  end
  return list
end

-- The file that an include names, as the compiler's search path finds it.
local function resolve(name)
  for _, folder in ipairs({ "core/", "core/include/", "" }) do
    if exists[folder .. name] then
      return folder .. name
    end
  end
end

local floor_of

local function public_header_floor(path, name, seen)
  local best, length = nil, 0
  for prefix, floor in pairs(public_floor) do
    if name:sub(1, #prefix) == prefix and #prefix > length then
      best, length = floor, #prefix
    end
  end
  if best then
    return best
  end
  best = "base"
  for _, include in ipairs(includes(path)) do
    local target = not include.system and resolve(include.name)
    if target and not seen[target] then
      seen[target] = true
      local floor = floor_of(target, seen)
      if floor and rank[floor] > rank[best] then
        best = floor
      end
    end
  end
  return best
end

function floor_of(path, seen)
  local name = path:match("^core/include/(.*)")
  if name then
    return public_header_floor(path, name, seen or { [path] = true })
  end
  if path:match("^bindings/") then
    return "bindings"
  end
  local floor = path:match("^core/([^/]+)/")
  return rank[floor] and floor or nil
end

local function check_library(path, floor, include)
  for _, rule in ipairs(library_floor) do
    if include.name:sub(1, #rule[1]) == rule[1] and rank[floor] < rank[rule[2]] then
      files.report(path, include.line, "%s may not use <%s>: it is for %s and above", floor, include.name, rule[2])
    end
  end
end

local function check_include(path, floor, include)
  local target = resolve(include.name)
  if not target then
    files.report(path, include.line, '"%s" is not found from core, core/include or the root', include.name)
    return
  end
  local public = path:match("^core/include/")
  if public and not target:match("^core/include/") then
    files.report(path, include.line, 'a public header may not include "%s", which is not installed', include.name)
    return
  end
  local other = floor_of(target)
  if other and rank[other] > rank[floor] then
    files.report(path, include.line, '%s may not include "%s" of %s', floor, include.name, other)
  end
end

for _, path in ipairs(sources) do
  local floor = floor_of(path)
  if not floor then
    files.report(path, 1, "is on no floor")
  else
    for _, include in ipairs(includes(path)) do
      if include.system then
        check_library(path, floor, include)
      else
        check_include(path, floor, include)
      end
    end
  end
end

files.finish(#sources)

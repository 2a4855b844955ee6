--- JSON through lua-cjson, with an empty array and errors that say where.
-- The library is loaded at the first use, so nothing else needs it.
-- @module httpsrv.json
local C = select(2, ...)

local pcall, error, type, pairs, tostring = pcall, error, type, pairs, tostring

local M = {}

--- JSON null, in both directions. The same value as cjson.null.
M.null = C.null

--- Encodes as []; an empty table is {}.
M.empty_array = setmetatable({}, {
  __newindex = function() error("httpsrv.empty_array cannot be changed", 2) end,
  __tostring = function() return "empty array" end,
  __metatable = false,
})
local empty_array = M.empty_array

local cjson -- an instance of its own: settings that scripts make elsewhere do not matter here

local function library()
  if not cjson then
    local ok, lib = pcall(require, "cjson")
    if not ok then C.throw("JSON needs the Lua module cjson (lua-cjson), which cannot be loaded: " .. tostring(lib)) end
    cjson = lib.new()
  end
  return cjson
end

local function without_place(err)
  return (tostring(err):gsub("^.-:%d+: ", ""))
end

--- Whether the value has an empty_array in it.
local function has_empty(v, depth)
  if v == empty_array then return true end
  if type(v) == "table" and depth > 0 then
    for _, x in pairs(v) do
      if type(x) == "table" and has_empty(x, depth - 1) then return true end
    end
  end
  return false
end

local function replaced(v, marker, depth)
  if v == empty_array then return marker, 1 end
  if type(v) ~= "table" or depth == 0 then return v, 0 end
  local copy, n = {}, 0
  for k, x in pairs(v) do
    local y, m = replaced(x, marker, depth - 1)
    copy[k], n = y, n + m
  end
  return copy, n
end

local MAX_DEPTH = 1000

--- Encodes a value that holds empty arrays: a string stands for each, chosen such that no other text in the result is like it.
local function encode_marked(value)
  for try = 1, math.huge do
    local marker = "empty array " .. try
    local copy, n = replaced(value, marker, MAX_DEPTH)
    local text = library().encode(copy)
    local result, found = text:gsub('"' .. marker .. '"', "[]")
    if found == n then return result end
  end
end

--- Encodes a value as JSON.
-- @param value table, string, number, boolean, httpsrv.null, httpsrv.empty_array
-- @treturn string JSON text; nil, message, "EINVAL" for what JSON cannot say
function M.encode(value)
  local lib = library()
  local ok, text
  if type(value) == "table" and has_empty(value, MAX_DEPTH) then
    ok, text = pcall(encode_marked, value)
  else
    ok, text = pcall(lib.encode, value)
  end
  if ok then return text end
  return nil, without_place(text), "EINVAL"
end

--- Decodes JSON text.
-- @tparam string text
-- @return the value (null is httpsrv.null); nil, "… at byte N", "EINVAL" for bad JSON
function M.decode(text)
  if type(text) ~= "string" then C.arg_error(1, "json_decode", "string expected, got " .. type(text)) end
  local ok, value = pcall(library().decode, text)
  if ok then return value end
  local message, n = without_place(value):gsub("at character (%d+)", "at byte %1")
  if n == 0 then message = message .. " at byte 1" end
  return nil, message, "EINVAL"
end

return M

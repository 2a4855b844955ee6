--- XML through libxml2, as tables in the form that LuaExpat calls its object model (LOM).
-- An element is `{ tag = "name", attr = { "a", "b", a = "1", b = "2" }, "text", { tag = … }, … }`; attr lists the names in their order.
-- Names stand as they were written, with prefix, and declarations of namespaces (xmlns) are attributes. Comments and processing
-- instructions are passed over.
-- @module httpsrv.xml
local C = select(2, ...)

local type, tostring, pcall = type, tostring, pcall

local M = {}

--- Decodes XML text. Nothing is fetched; a document that declares entities or defaults of attributes is refused.
-- @tparam string text
-- @treturn table the document's element; nil, "… at line N", "EINVAL" for what is not well formed, "EMSGSIZE" for more than 262,144 nodes
M.decode = C.xml_decode

--- Encodes an element's table as a document in UTF-8. attr may be left out, or be without its list; names that are not in it come sorted.
-- @tparam table element
-- @treturn string text; nil, message, "EINVAL" for what XML cannot say
function M.encode(element)
  if type(element) ~= "table" then C.arg_error(1, "xml_encode", "table expected, got " .. type(element)) end
  local ok, text = pcall(C.xml_encode, element)
  if ok then return text end
  return nil, tostring(text), text == "not enough memory" and "ENOMEM" or "EINVAL"
end

return M

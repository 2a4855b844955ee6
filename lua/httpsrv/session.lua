--- Sessions: one request and its response, as handlers get them.
-- A session kept past the end of its request is harmless: every method then returns nil, "session has finished", "EBADF".
-- A wrong argument raises; the world's failures are nil, message, code. What waits says so.
-- @module httpsrv.session
local C = select(2, ...)
local json = require "httpsrv.json"
local xml = require "httpsrv.xml"
local wait = require "httpsrv.wait"

local again, once = wait.again, wait.once
local type, error = type, error
local core = C.session_methods

--- @type session
local methods = {}

-- Those that are C functions as they stand.
for _, name in ipairs {
  "client_address", "ctx", "detach", "finish", "path_rest", "request_id", "request_method_get", "request_protocol_get", "request_path_get",
  "request_username_get", "request_username_set", "request_subject_cn_get", "request_url_get", "request_args",
  "request_header_get", "request_content_type_get", "request_peer_address", "request_local_address", "response_status_set",
  "response_status_set_std", "response_status_ok", "response_status_denied", "response_status_not_found", "response_status_error",
  "response_header_set", "response_header_add",
} do
  methods[name] = core[name]
end

--- A table of the request's own, kept until it ends.
-- @function session:ctx

--- From now on the response does not end when the handler returns, but at finish().
-- @function session:detach
-- @return true; nil, message, code

--- Ends the response of a detached session.
-- @function session:finish
-- @return true; nil, message, code

--- What follows the route's base path, without its first slash.
-- @function session:path_rest

--- The method, as sent.
-- @function session:request_method_get

--- "HTTP/1.1" and the like.
-- @function session:request_protocol_get

--- The normalised path.
-- @function session:request_path_get

--- The authenticated user, or nil.
-- @function session:request_username_get

--- Sets the user, as an auth handler does that returns true, user.
-- @function session:request_username_set
-- @tparam ?string user
-- @return true; nil, message, code

--- The verified client certificate's common name, or nil.
-- @function session:request_subject_cn_get

--- The parsed target: url (as sent), scheme, host, port, path, raw_query, query, fragment, userinfo.user and .pass, and attrs, a
-- table of the query's pairs, the last of equal keys.
-- @function session:request_url_get

--- The query as lists: { key = { value, ... } }.
-- @function session:request_args

--- A header field's value; repeated fields are joined with ", " (Cookie with "; "). nil when there is none.
-- @function session:request_header_get
-- @tparam string name in any case

--- Media type and charset (or nil); nil without a Content-Type.
-- @function session:request_content_type_get

--- { family = "inet", "inet6" or "unix", ip =, port =, path = }
-- @function session:request_peer_address

--- The same of our side.
-- @function session:request_local_address

--- The client's address as far as it can be trusted, in the same form: the peer's, unless that is one of the proxies that the setting
-- trusted names; then what those say in X-Forwarded-For (or Forwarded: setting client-address-from), read from its end up to the first
-- address that is not trusted. port is 0 where none was said.
-- @function session:client_address

--- The request's id: what a trusted proxy has sent as X-Request-Id (up to 128 token characters), else 32 random hexadecimal digits, made
-- at the first call. The access log in JSON and the log of Lua errors have the same.
-- @function session:request_id
-- @return string; nil, message, code

local lower_keys = {
  __index = function(t, name)
    if type(name) ~= "string" then return nil end
    return rawget(t, name:lower())
  end,
}

--- All header fields: { name = value }, names in lower case; indexing takes any case.
function methods:request_headers()
  local t, msg, code = core.request_headers(self)
  if not t then return nil, msg, code end
  return setmetatable(t, lower_keys)
end

--- The same of the trailer section. Waits for the end of the body.
function methods:request_trailers()
  local t, msg, code = again(core.request_trailers, self, nil, nil, core.request_trailers(self))
  if not t then return nil, msg, code end
  return setmetatable(t, lower_keys)
end

--- An io on the request's body. All of them share one position, unless the body has been spooled.
-- @return io; nil, message, code
function methods:request_data_get()
  return again(core.request_data_get, self, nil, nil, core.request_data_get(self))
end

--- The whole body. Waits.
-- @return string; nil, message, code ("EALREADY" after a partial streaming read, "EMSGSIZE")
function methods:request_data_get_string()
  return again(core.request_data_get_string, self, nil, nil, core.request_data_get_string(self))
end

--- The whole body, decoded from JSON. Waits.
-- @return value; nil, message, code ("EINVAL" and "… at byte N" for what is no JSON)
function methods:request_data_get_json()
  local text, msg, code = methods.request_data_get_string(self)
  if not text then return nil, msg, code end
  return json.decode(text)
end

--- The whole body, decoded from XML (see httpsrv.xml). Waits.
-- @return the document's element; nil, message, code ("EINVAL" and "… at line N" for what is not well formed)
function methods:request_data_get_xml()
  local text, msg, code = methods.request_data_get_string(self)
  if not text then return nil, msg, code end
  return xml.decode(text)
end

--- Reads the whole body, past a limit into a file; after it request_data_get gives seekable ios. Waits.
-- @return true; nil, message, code
function methods:request_data_spool()
  return again(core.request_data_spool, self, nil, nil, core.request_data_spool(self))
end

--- Sets the status.
-- @function session:response_status_set
-- @tparam int code from 200 to 599
-- @tparam[opt] string message
-- @return true; nil, message, code ("EBADF" once the head is sent)

--- The same, and the content type. Where nothing else is sent the message is the body.
-- @function session:response_status_set_std
-- @tparam int code
-- @tparam[opt] string message
-- @tparam[opt] string mimetype

--- 200 with that content type.
-- @function session:response_status_ok

--- 403 with that content type.
-- @function session:response_status_denied

--- 404 with that content type.
-- @function session:response_status_not_found

--- 500 with that content type.
-- @function session:response_status_error

--- Sets a header field, in the place of those of that name; nil removes it.
-- @function session:response_header_set
-- @tparam string name
-- @tparam ?string value
-- @return true; nil, message, code ("EBADF" once the head is sent)

--- Adds another field line of that name.
-- @function session:response_header_add

--- Adds to the response's body. Past the high-water mark it waits until the client has taken enough.
-- @tparam string|number data
-- @return true; nil, message, code
function methods:response_append(data)
  return once(core.response_append(self, data))
end

--- As response_append, of string.format(format, ...).
function methods:response_printf(format, ...)
  if type(format) ~= "string" then C.arg_error(1, "response_printf", "string expected, got " .. type(format)) end
  return once(core.response_append(self, format:format(...)))
end

--- Sets the whole body, in the place of what there was; the content type is text/plain where none was set.
-- @tparam string text
function methods:response_string(text)
  return once(core.payload(self, text, "text/plain", "response_string"))
end

--- Sets the whole body to a value's JSON text; the content type is application/json where none was set.
-- @param value what JSON can say; else an error is raised
function methods:response_json(value)
  local text, msg = json.encode(value)
  if not text then C.arg_error(1, "response_json", msg) end
  return once(core.payload(self, text, "application/json", "response_json"))
end

--- Sets the whole body to an element's XML text (see httpsrv.xml); the content type is application/xml where none was set.
-- @tparam table element what XML can say; else an error is raised
function methods:response_xml(element)
  if type(element) ~= "table" then C.arg_error(1, "response_xml", "table expected, got " .. type(element)) end
  local text, msg = xml.encode(element)
  if not text then C.arg_error(1, "response_xml", msg) end
  return once(core.payload(self, text, "application/xml", "response_xml"))
end

--- Streams an io to the client, after what was added before, from its position on, at the client's pace. Returns at once; the io is
-- in use until it is drained. immediate: reads it to its end now, and waits meanwhile.
-- @tparam io io
-- @tparam[opt] boolean immediate
-- @return true; nil, message, code ("EBUSY": in use already; "EMSGSIZE": too much for immediate)
function methods:response_io(io, immediate)
  return again(core.response_io, self, io, immediate, core.response_io(self, io, immediate))
end

--- Sends what is pending. Waits until the client has taken it.
-- @tparam[opt] boolean final no more will be added
function methods:response_flush(final)
  return again(core.response_flush, self, final, nil, core.response_flush(self, final))
end

require "httpsrv.web"(methods)
require "httpsrv.fast"(methods)

local meta = {
  __index = methods,
  __tostring = function(self) return ("session %d (%s)"):format(self[1], core.state(self)) end,
  __metatable = false,
  __name = "session",
  __newindex = function() error("a session has no fields of the script's own; use session:ctx()", 2) end,
}

C.session_meta = meta

return { methods = methods, meta = meta }

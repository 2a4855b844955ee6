--- The methods that most handlers use, in a form that the JIT compiler compiles whole: FFI calls of leaf functions
-- (bindings/lua_fast.c). Whatever is not the simple case goes to the C function of the same method, which has the last word on
-- arguments, errors and waits. Where the JIT compiler is off, FFI calls cost more than C functions, and the C functions stay.
-- @module httpsrv.fast

local ffi = jit.status() and require "ffi"
if not ffi then return function() end end

ffi.cdef [[
struct hs_view { const char *p; size_t n; };
int hs_ffi_append(double serial, const char *p, size_t n);
int hs_ffi_status_std(double serial, int code, const char *message, size_t message_len, const char *type, size_t type_len);
int hs_ffi_header_set(double serial, const char *name, size_t name_len, const char *value, size_t value_len);
int hs_ffi_header_get(double serial, const char *name, size_t name_len, struct hs_view *value);
int hs_ffi_method(double serial);
]]

local lib, string_of, type = ffi.C, ffi.string, type
local view = ffi.new "struct hs_view"

-- enum hs_method of core/http/request.h
local method_names = { [1] = "GET", [2] = "HEAD", [3] = "POST", [4] = "PUT", [5] = "DELETE", [6] = "OPTIONS", [7] = "PATCH", [8] = "TRACE" }

--- Puts the fast forms in the place of a table's methods.
return function(methods)
  -- Absent when the core was loaded as a library whose names are not global.
  if not pcall(function() return lib.hs_ffi_append end) then return end

  local append, status_std = methods.response_append, methods.response_status_set_std
  local header_set, header_get, method_get = methods.response_header_set, methods.request_header_get, methods.request_method_get

  function methods.response_append(self, data)
    local serial = type(self) == "table" and self[1]
    if type(data) == "string" and type(serial) == "number" and lib.hs_ffi_append(serial, data, #data) == 0 then return true end
    return append(self, data)
  end

  function methods.response_status_set_std(self, code, message, mimetype)
    local serial = type(self) == "table" and self[1]
    if type(message) == "string" and type(mimetype) == "string" and type(serial) == "number" and type(code) == "number"
      and code % 1 == 0 and code >= 200 and code < 600
      and lib.hs_ffi_status_std(serial, code, message, #message, mimetype, #mimetype) == 0 then
      return true
    end
    return status_std(self, code, message, mimetype)
  end

  function methods.response_header_set(self, name, value)
    local serial = type(self) == "table" and self[1]
    if type(name) == "string" and type(value) == "string" and type(serial) == "number"
      and lib.hs_ffi_header_set(serial, name, #name, value, #value) == 0 then
      return true
    end
    return header_set(self, name, value)
  end

  function methods.request_header_get(self, name)
    local serial = type(self) == "table" and self[1]
    if type(name) == "string" and type(serial) == "number" and lib.hs_ffi_header_get(serial, name, #name, view) == 0 then
      return string_of(view.p, view.n)
    end
    return header_get(self, name)
  end

  function methods.request_method_get(self)
    local serial = type(self) == "table" and self[1]
    local name = type(serial) == "number" and method_names[lib.hs_ffi_method(serial)]
    if name then return name end
    return method_get(self) -- not "name or": that would drop the message and the code
  end
end

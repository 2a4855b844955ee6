--- What web pages need of a session: redirects, cookies, forms.
-- What comes from a client is taken apart and nothing of it is trusted; what a script sends is checked, and what can never be right raises.
-- @module httpsrv.web
local C = select(2, ...)
local again = require("httpsrv.wait").again

local type, tonumber, tostring, pairs, floor = type, tonumber, tostring, pairs, math.floor
local core = C.session_methods

local TOKEN = "^[%w!#$%%&'*+.^_`|~-]+$"

-- --- redirects ---

local function percent(c) return ("%%%02X"):format(c:byte()) end

--- A URI reference as it may stand in a field: what RFC 3986 does not allow is percent-encoded, what is encoded stays so.
local function reference(url)
  local text = url:gsub("[^%w%-._~:/?#%[%]@!$&'()*+,;=%%]", percent)
  return (text:gsub("%%(%x?%x?)", function(digits) return #digits == 2 and "%" .. digits or "%25" .. digits end))
end

-- --- cookies ---

--- Without blanks around it, in linear time.
local function trim(text)
  local first = text:find("[^ \t]")
  return first and text:match("^.*[^ \t]", first) or ""
end

--- Takes a Cookie field apart (RFC 6265 5.4): name -> value.
local function parse_cookies(text)
  local found = {}
  for pair in text:gmatch("[^;]+") do
    local equals = pair:find("=", 1, true)
    local name = equals and trim(pair:sub(1, equals - 1))
    if name and name:find(TOKEN) and found[name] == nil then
      local value = trim(pair:sub(equals + 1))
      found[name] = value:match('^"(.*)"$') or value
    end
  end
  return found
end

local DAYS = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" }
local MONTHS = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" }

--- A time as RFC 9110 5.6.7 writes it, in whatever locale.
local function http_date(seconds)
  local t = os.date("!*t", seconds)
  return ("%s, %02d %s %04d %02d:%02d:%02d GMT"):format(DAYS[t.wday], t.day, MONTHS[t.month], t.year, t.hour, t.min, t.sec)
end

local COOKIE_MAX, ATTRIBUTE_MAX = 4096, 1024 -- user agents ignore what is longer (RFC 6265bis 5.6)
local SAME_SITE = { strict = "Strict", lax = "Lax", none = "None" }

local function flag(name)
  return function(v)
    if type(v) ~= "boolean" then return nil, "boolean expected, got " .. type(v) end
    return v and name or ""
  end
end

-- What each attribute becomes: its text, "" for none; nil, what is wrong.
local attributes = {
  path = function(v)
    if type(v) ~= "string" or v:sub(1, 1) ~= "/" or v:find("[%c;\127-\255]") or #v > ATTRIBUTE_MAX then
      return nil, "path beginning with '/', without ';', control and non-ASCII characters expected"
    end
    return "Path=" .. v
  end,
  domain = function(v)
    local name = type(v) == "string" and v:gsub("^%.", "")
    if not name or #name > 253 or not name:find("^%w[%w.-]*%w$") or name:find("..", 1, true) then return nil, "host name expected" end
    return "Domain=" .. name
  end,
  max_age = function(v)
    if type(v) ~= "number" or v % 1 ~= 0 or v < -2 ^ 31 or v > 2 ^ 53 then return nil, "whole number of seconds expected" end
    return ("Max-Age=%.0f"):format(v)
  end,
  expires = function(v)
    if not (type(v) == "number" and v >= 0 and v < 253402300800) then return nil, "seconds since 1970, up to the year 9999, expected" end
    return "Expires=" .. http_date(floor(v))
  end,
  secure = flag "Secure",
  http_only = flag "HttpOnly",
  same_site = function(v)
    local word = type(v) == "string" and SAME_SITE[v:lower()]
    if not word then return nil, '"Strict", "Lax" or "None" expected' end
    return "SameSite=" .. word
  end,
}
local ORDER = { "path", "domain", "max_age", "expires", "secure", "http_only", "same_site" }

local function attribute_error(key, text) C.arg_error(3, "cookie_set", ("attribute '%s': %s"):format(tostring(key), text)) end

--- What a name's prefix promises has to be so (RFC 6265bis 4.1.3); user agents drop the cookie otherwise.
local function check_prefix(name, attrs)
  local prefix = name:lower()
  local host = prefix:sub(1, 7) == "__host-"
  if (host or prefix:sub(1, 9) == "__secure-") and not attrs.secure then
    attribute_error("secure", "a cookie of that name has to be secure")
  end
  if host and attrs.path ~= "/" then attribute_error("path", 'a cookie of that name has the path "/"') end
  if host and attrs.domain ~= nil then attribute_error("domain", "a cookie of that name has none") end
end

--- The value of a Set-Cookie field.
local function format_cookie(name, value, attrs)
  local line = name .. "=" .. value
  for key in pairs(attrs) do
    if not attributes[key] then attribute_error(key, "there is no such attribute") end
  end
  for _, key in ipairs(ORDER) do
    if attrs[key] ~= nil then
      local text, wrong = attributes[key](attrs[key])
      if not text then attribute_error(key, wrong) end
      if text ~= "" then line = line .. "; " .. text end
    end
  end
  if attrs.same_site and attrs.same_site:lower() == "none" and not attrs.secure then
    attribute_error("same_site", "None is for secure cookies only")
  end
  check_prefix(name, attrs)
  return line
end

-- --- forms ---

local FORM_BYTES, FORM_FIELDS = 1024 * 1024, 1000

local function utf8_of_latin1(text)
  return (text:gsub("[\128-\255]", function(c)
    local b = c:byte()
    return string.char(0xc0 + floor(b / 64), 0x80 + b % 64)
  end))
end

local function recoded(form)
  local copy = {}
  for key, values in pairs(form) do
    for i = 1, #values do values[i] = utf8_of_latin1(values[i]) end
    copy[utf8_of_latin1(key)] = values
  end
  return copy
end

local charsets = { ["utf-8"] = false, ["us-ascii"] = false, ["iso-8859-1"] = recoded }

local function limit(opts, key, otherwise)
  local v = opts and opts[key]
  if v == nil then return otherwise end
  if not (type(v) == "number" and v >= 0) then C.arg_error(1, "request_form", ("option '%s': number expected"):format(key)) end
  return v
end

--- Whether the body is a form that can be read.
-- @return function that recodes it, or false; nil, message, code
local function look_at_form(sess, max_bytes)
  local kind, charset, code = core.request_content_type_get(sess)
  if code then return nil, charset, code end
  kind = kind and kind:lower()
  if kind == "multipart/form-data" then return nil, "multipart/form-data is not supported; read the body as an io", "ENOTSUP" end
  if kind ~= "application/x-www-form-urlencoded" then return nil, "the body is no form but " .. (kind or "of no type"), "EINVAL" end
  local recode = charsets[(charset or "utf-8"):lower()]
  if recode == nil then return nil, "the charset " .. charset .. " is not supported", "ENOTSUP" end
  local length = tonumber(core.request_header_get(sess, "Content-Length") or 0)
  if length and length > max_bytes then return nil, "the form has too many bytes", "EMSGSIZE" end
  return recode
end

--- Gives them to the table of a session's methods.
-- @type session
return function(methods)
  --- Sends the client elsewhere: sets the status and Location. Blanks and control characters in the URL raise; whatever else a URI may not
  -- have, non-ASCII characters and "\" too, is percent-encoded as it stands (UTF-8, in an IRI), and what is encoded already stays so. A
  -- relative reference is sent as it is. After a POST use 303: then no client repeats it.
  -- @tparam string url
  -- @tparam[opt=302] int code 301, 302, 303, 307 or 308
  -- @return true; nil, message, code ("EBADF" once the head is sent)
  function methods:redirect(url, code)
    if type(url) ~= "string" then C.arg_error(1, "redirect", "string expected, got " .. type(url)) end
    if code == nil then code = 302 end
    if not (code == 301 or code == 302 or code == 303 or code == 307 or code == 308) then
      C.arg_error(2, "redirect", "301, 302, 303, 307 or 308 expected")
    end
    if url == "" then C.arg_error(1, "redirect", "url is empty") end
    if url:find("[%c ]") then C.arg_error(1, "redirect", "url contains a blank or a control character") end
    local ok, msg, errcode = core.response_status_set(self, code)
    if ok then ok, msg, errcode = core.response_header_set(self, "Location", reference(url)) end
    if not ok then return nil, msg, errcode end
    return true
  end

  --- The cookies that came with the request: name -> value. Of several with one name the first counts, which is the most specific. Quotes
  -- around a value are taken off, nothing is decoded. What has no name, or one that is no token, is left out.
  -- @treturn table {} when there are none
  function methods:cookies()
    local text, msg, code = core.request_header_get(self, "Cookie")
    if code then return nil, msg, code end
    return parse_cookies(text or "")
  end

  --- Has the client keep a cookie: adds a Set-Cookie field. A wrong name, value or attribute raises, as does what user agents would ignore
  -- (more than 4096 bytes, a name that begins with __Host- or __Secure- without what that promises, SameSite=None without secure).
  -- An attribute that is left out is not sent. To have it forgotten: max_age = 0, with the same path and domain.
  -- @tparam string name a token
  -- @tparam string|number value printable ASCII without blanks, '"', ",", ";" and "\"; encode what else there is
  -- @tparam[opt] table attrs path = "/…", domain =, max_age = seconds, expires = seconds since 1970, secure =, http_only = booleans,
  -- same_site = "Strict", "Lax" or "None"
  -- @return true; nil, message, code ("EBADF" once the head is sent)
  function methods:cookie_set(name, value, attrs)
    if type(name) ~= "string" or not name:find(TOKEN) then C.arg_error(1, "cookie_set", "name is no token") end
    if type(value) == "number" then value = tostring(value) end
    if type(value) ~= "string" then C.arg_error(2, "cookie_set", "string expected, got " .. type(value)) end
    if value:find('[%c ",;\\\128-\255]') then
      C.arg_error(2, "cookie_set", "value contains a character that cookies cannot have")
    end
    if #name + #value > COOKIE_MAX then C.arg_error(2, "cookie_set", "name and value are longer than 4096 bytes") end
    if attrs ~= nil and type(attrs) ~= "table" then C.arg_error(3, "cookie_set", "table expected, got " .. type(attrs)) end
    return core.response_header_add(self, "Set-Cookie", format_cookie(name, value, attrs or {}))
  end

  --- The fields of a form in the body, as lists: { key = { value, ... } }, decoded as request_args does. Waits for the body, which must be
  -- application/x-www-form-urlencoded. Text is UTF-8, or ISO-8859-1 where the request says so, which is recoded.
  -- @tparam[opt] table opts max_bytes = 1 MiB, max_fields = 1000
  -- @return table; nil, message, code ("EINVAL": the body is no form; "ENOTSUP": it is multipart/form-data, or of another charset;
  -- "EMSGSIZE": there is too much of it; "EALREADY" after a partial streaming read)
  function methods:request_form(opts)
    if opts ~= nil and type(opts) ~= "table" then C.arg_error(1, "request_form", "table of options expected, got " .. type(opts)) end
    local bytes, fields = limit(opts, "max_bytes", FORM_BYTES), limit(opts, "max_fields", FORM_FIELDS)
    local recode, msg, code = look_at_form(self, bytes)
    if recode == nil then return nil, msg, code end
    local form
    form, msg, code = again(core.request_form, self, bytes, fields, core.request_form(self, bytes, fields))
    if not form then return nil, msg, code end
    return recode and recode(form) or form
  end
end

-- The request's pairs, walked as the manual walks them.
require("msys.extended.httpsrv")
require("msys.core")

local function pairs_of(session)
  local details = session:request_url_get()
  local found = {}

  if details.attrs != nil then
    local iter = msys.core.dict_iter2(details.attrs)
    repeat
      local rc, key, value = msys.core.dict_next(details.attrs, iter)
      if rc != 0 then
        found[#found + 1] = key .. "=" .. value
      end
    until rc == 0
    msys.core.dict_iter2_free(details.attrs, iter)
  end

  table.sort(found)
  return details.url, table.concat(found, " ")
end

local function params(session)
  local url, found = pairs_of(session)
  if found == "" then
    session:response_status_set_std(404, "no pairs in " .. url, "text/plain")
    return msys.httpsrv.DONE
  end
  session:response_status_set_std(200, found, "text/plain")
  return msys.httpsrv.DONE
end

local mod = {}

function mod:rsrc_setup()
  msys.httpsrv.register("GET", "/params", params)
  return true
end

msys.registerModule("params", mod)

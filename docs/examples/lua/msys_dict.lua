-- shows: msys.core.dict_iter2, msys.core.dict_next, msys.core.dict_iter2_free, msys.core.string_new, ec_string:set, ec_string:append,
--   ec_string:clear
-- Walks the pairs of a query, and gathers them in a string that can be changed.
require("msys.core")
require("msys.httpsrv")

msys.httpsrv.register("GET", "/", function(session)
  local attrs = session:request_url_get().attrs
  local text = msys.core.string_new()
  text:set("pairs:")
  local iter = msys.core.dict_iter2(attrs)
  local more, key, value = msys.core.dict_next(attrs, iter)
  while more == 1 do
    text:append(" " .. key .. "=" .. value)
    more, key, value = msys.core.dict_next(attrs, iter)
  end
  msys.core.dict_iter2_free(attrs, iter)
  session:response_append(tostring(text) .. "\n")
  text:clear()
  session:response_printf("%d left\n", #text)
  return msys.httpsrv.DONE
end)

--$ curl 'http://127.0.0.1:8080/?colour=red'
--> pairs: colour=red
--> 0 left

-- shows: session:request_data_get_xml, session:response_xml
-- XML in, XML out.
local httpsrv = require "httpsrv"

httpsrv.register("POST", "/names", function(sess)
  local people, msg = sess:request_data_get_xml()
  if not people then return sess:response_status_set_std(400, msg, "text/plain") end
  local names = { tag = "names" }
  for _, person in ipairs(people) do
    if person.tag == "person" then table.insert(names, { tag = "name", person.attr.name or "?" }) end
  end
  sess:response_xml(names)
end)

--$ curl -d '<people><person name="Ann"/><person name="Bo"/></people>' http://127.0.0.1:8080/names
--> <?xml version="1.0" encoding="UTF-8"?>
--> <names><name>Ann</name><name>Bo</name></names>
--$ curl -o /dev/null -w '%{http_code}\n' -d '<people>' http://127.0.0.1:8080/names
--> 400

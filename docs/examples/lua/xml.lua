-- shows: httpsrv.xml_encode, httpsrv.xml_decode
-- XML as tables and back.
local httpsrv = require "httpsrv"

local note = httpsrv.xml_decode '<note to="Ann">Buy <b>milk</b> &amp; tea</note>'
print(note.tag, note.attr.to)                                 --> note	Ann
print(note[1], note[2].tag, note[2][1], note[3])              --> Buy 	b	milk	 & tea
print((httpsrv.xml_encode({ tag = "a", attr = { x = "<1>" } })):match("<a[^\n]*"))  --> <a x="&lt;1&gt;"/>
print(httpsrv.xml_decode("<a>\n</b>"))                        --> nil	Opening and ending tag mismatch: a line 1 and b at line 2	EINVAL
print(httpsrv.xml_encode({ tag = "no name" }))                --> nil	tag is no name in XML: no name	EINVAL

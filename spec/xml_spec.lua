-- XML as tables (lua/httpsrv/xml.lua, bindings/lua_xml.c).
local S = require "support.server"
local httpsrv = require "httpsrv"

local HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'

local function encoded(element)
  local text = assert(httpsrv.xml_encode(element))
  assert.are.equal(HEAD, text:sub(1, #HEAD))
  return (text:sub(#HEAD + 1):gsub("\n$", ""))
end

describe("xml", function()
  -- proves: httpsrv.xml_decode
  it("becomes tables", function()
    assert.are.same({
      tag = "a", attr = { "y", "x", y = "1", x = "<2>" }, "t & u", { tag = "b", attr = {} }, { tag = "c", attr = {}, "v" }, "w",
    }, httpsrv.xml_decode('<?xml version="1.0"?><a y="1" x="&lt;2&gt;">t &amp; <![CDATA[u]]><b/><c>v</c>w</a>'))
  end)

  it("keeps prefixes and declarations of namespaces as they are written", function()
    assert.are.same({
      tag = "p:a", attr = { "xmlns", "xmlns:p", "p:x", xmlns = "urn:d", ["xmlns:p"] = "urn:p", ["p:x"] = "1" }, { tag = "b", attr = {} },
    }, httpsrv.xml_decode('<p:a xmlns="urn:d" xmlns:p="urn:p" p:x="1"><b/></p:a>'))
  end)

  it("passes over comments and instructions, and text around them is one", function()
    assert.are.same({ tag = "a", attr = {}, "xyz" }, httpsrv.xml_decode("<!-- 1 --><a>x<!-- 2 -->y<?pi 3?>z</a><!-- 4 -->"))
    assert.are.same({ tag = "a", attr = {} }, httpsrv.xml_decode("<a><!-- 1 --></a>"))
  end)

  it("is refused where it is not well formed, saying at which line", function()
    for text, line in pairs { [""] = 1, ["x"] = 1, ["<a>"] = 1, ["<a>\n</b>"] = 2, ["<a/>\n<b/>"] = 2, ["<a>\n\n&no;</a>"] = 3,
      ["<a>\1</a>"] = 1, ["<a>\255</a>"] = 1, ["<a x='1' x='2'/>"] = 1, ["<a>\0</a>"] = 1 } do
      local value, msg, code = httpsrv.xml_decode(text)
      assert.is_nil(value, text)
      assert.are.equal("EINVAL", code)
      assert.is_truthy(msg:match(" at line " .. line .. "$"), text .. ": " .. msg)
      assert.is_nil(msg:find("\n"))
    end
    assert.has_error(function() httpsrv.xml_decode(nil) end)
    assert.has_error(function() httpsrv.xml_decode({}) end)
  end)

  it("declares nothing that could grow, and fetches nothing", function()
    for text, why in pairs {
      ['<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'] = "entities",
      ['<!DOCTYPE a [<!ENTITY x "xx">]><a>&x;</a>'] = "entities",
      ['<!DOCTYPE a [<!ENTITY % p SYSTEM "file:///etc/passwd"> %p;]><a/>'] = "entities",
      ['<!DOCTYPE a [<!ATTLIST a b CDATA "long">]><a/>'] = "defaults",
    } do
      local value, msg, code = httpsrv.xml_decode(text)
      assert.is_nil(value, text)
      assert.is_truthy(msg:find(why, 1, true), msg)
      assert.are.equal("EINVAL", code)
    end
    assert.are.same({ tag = "a", attr = {} }, httpsrv.xml_decode('<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>'))
  end)

  it("has limits for nodes and for levels", function()
    local most = 262144 - 1
    local _, msg, code = httpsrv.xml_decode("<a>" .. ("<b/>"):rep(most + 1) .. "</a>")
    assert.are.equal("EMSGSIZE", code)
    assert.is_truthy(msg:find("too many nodes", 1, true))
    assert.are.equal("EMSGSIZE", (select(3, httpsrv.xml_decode("<a>" .. ("<!---->"):rep(most + 1) .. "</a>"))))
    assert.are.equal("EMSGSIZE", (select(3, httpsrv.xml_decode("<a>" .. ("<?p?>"):rep(most + 1) .. "</a>"))))
    assert.are.equal(most, #assert(httpsrv.xml_decode("<a>" .. ("<b/>"):rep(most) .. "</a>")))
    assert.are.equal("EINVAL", (select(3, httpsrv.xml_decode(("<a>"):rep(300) .. ("</a>"):rep(300)))))
    local deep = assert(httpsrv.xml_decode(("<a>"):rep(200) .. "x" .. ("</a>"):rep(200)))
    for _ = 1, 199 do deep = deep[1] end
    assert.are.equal("x", deep[1])
  end)

  -- proves: httpsrv.xml_encode
  it("is made of tables", function()
    assert.are.equal('<a z="1" b="2" c="&lt;&quot;&amp;"> x &amp; &lt;y&gt;<b/>7</a>',
      encoded { tag = "a", attr = { "z", z = "1", c = '<"&', b = 2 }, " x & ", "<y>", { tag = "b" }, 7 })
    assert.are.equal('<p:a xmlns:p="urn:p"/>', encoded { tag = "p:a", attr = { ["xmlns:p"] = "urn:p" } })
    assert.are.equal("<a>&#13;ü</a>", encoded { tag = "a", "\rü" })
    assert.are.equal('<a x="&#10;&#9;"/>', encoded { tag = "a", attr = { x = "\n\t" } })
  end)

  it("comes back as it went", function()
    local tree = { tag = "a", attr = { "x", x = " 1\n\r\t" }, "]]>", { tag = "b", attr = {}, "\r\n" }, " " }
    assert.are.same(tree, httpsrv.xml_decode(assert(httpsrv.xml_encode(tree))))
  end)

  it("cannot say everything: nil, message, code", function()
    local loop = { tag = "a" }
    loop[1] = loop
    for what, bad in pairs {
      ["tag is no name"] = {}, ["tag is no name in XML: a b"] = { tag = "a b" }, ["tag is no name in XML: a/><b"] = { tag = "a/><b" },
      ["tag is no name in XML: number"] = { tag = 1 }, ["character that XML cannot say, at byte 2"] = { tag = "a", "x\0" },
      ["at byte 1"] = { tag = "a", "\27" }, ["at byte 3"] = { tag = "a", "xx\255" },
      ["a child must be a string, not boolean"] = { tag = "a", true },
      ["the name of an attribute is no name in XML: x y"] = { tag = "a", attr = { ["x y"] = "1" } },
      ["the value of an attribute must be a string, not nil"] = { tag = "a", attr = { "x" } },
      ["the value of an attribute has a character"] = { tag = "a", attr = { x = "\1" } },
      ["the name of an attribute is no name in XML: boolean"] = { tag = "a", attr = { [true] = "1" } },
      ["attr must be a table"] = { tag = "a", attr = "x" }, ["nested too deeply, or in itself"] = loop,
    } do
      local text, msg, code = httpsrv.xml_encode(bad)
      assert.is_nil(text, what)
      assert.is_truthy(msg:find(what, 1, true), what .. ": " .. msg)
      assert.are.equal("EINVAL", code)
    end
    assert.has_error(function() httpsrv.xml_encode("<a/>") end)
  end)

  describe("of a session", function()
    local server

    setup(function() server = assert(S.start("spec/handlers")) end)
    teardown(function() server:stop() end)

    -- proves: session:request_data_get_xml, session:response_xml
    it("comes and goes", S.timed(function()
      server:handler("xml", [[
        local a, msg, code = sess:request_data_get_xml()
        if not a then return sess:response_string(msg .. " " .. code) end
        a[#a + 1] = { tag = "more" }
        assert(sess:response_xml(a) == true)
      ]])
      local r = server:request("POST", "/run/xml", { body = "<a x='1'>y</a>" })
      assert.are.equal(HEAD .. '<a x="1">y<more/></a>\n', r.body)
      assert.are.equal("application/xml", r.headers["content-type"])
      assert.is_truthy(server:request("POST", "/run/xml", { body = "<a>" }).body:match(" at line 1 EINVAL$"))
    end))

    it("raises for what XML cannot say, and keeps a content type that was set", S.timed(function()
      local r = server:get([[
        local ok, err = pcall(sess.response_xml, sess, { tag = "a b" })
        sess:response_header_set("Content-Type", "image/svg+xml")
        sess:response_xml({ tag = "svg", tostring(ok), " ", (err:match("bad argument #1 to 'response_xml' %(.*")) })
      ]])
      assert.are.equal(HEAD .. "<svg>false bad argument #1 to 'response_xml' (tag is no name in XML: a b)</svg>\n", r.body)
      assert.are.equal("image/svg+xml", r.headers["content-type"])
    end))
  end)
end)

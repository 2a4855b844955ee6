-- JSON.
local httpsrv = require "httpsrv"
local cjson = require "cjson"

describe("json", function()
  -- proves: httpsrv.json_encode, httpsrv.json_decode
  it("goes both ways", function()
    local text = assert(httpsrv.json_encode({ a = { 1, 2.5, "x", true, httpsrv.null } }))
    assert.are.same({ a = { 1, 2.5, "x", true, httpsrv.null } }, httpsrv.json_decode(text))
    assert.are.equal("{}", httpsrv.json_encode({}))
    assert.are.equal('"text"', httpsrv.json_encode("text"))
    assert.are.equal("null", httpsrv.json_encode(httpsrv.null))
  end)

  it("ruling 16: null is httpsrv.null, and lua-cjson's", function()
    assert.are.equal(httpsrv.null, httpsrv.json_decode("[null]")[1])
    assert.are.equal(cjson.null, httpsrv.null)
  end)

  it("ruling 16: empty_array encodes as []", function()
    assert.are.equal("[]", httpsrv.json_encode(httpsrv.empty_array))
    local text = httpsrv.json_encode({ list = httpsrv.empty_array, nested = { { httpsrv.empty_array } }, object = {} })
    assert.is_truthy(text:find('"list":[]', 1, true))
    assert.is_truthy(text:find('"nested":[[[]]]', 1, true))
    assert.is_truthy(text:find('"object":{}', 1, true))
    assert.has_error(function() httpsrv.empty_array[1] = 1 end)
  end)

  it("empty_array is told from strings that look like what stands for it", function()
    local value = { a = httpsrv.empty_array, b = "empty array 1", ["empty array 2"] = "x", c = 'say "empty array 3"' }
    local back = httpsrv.json_decode(httpsrv.json_encode(value))
    assert.are.same({ a = {}, b = "empty array 1", ["empty array 2"] = "x", c = 'say "empty array 3"' }, back)
    assert.are.equal(httpsrv.empty_array, value.a)
  end)

  it("ruling 16: errors say at which byte", function()
    for text, byte in pairs { ["{"] = 2, ["[1,2"] = 5, ['{"a" 1}'] = 6, ["nope"] = 1, [""] = 1, ["[1] x"] = 5 } do
      local value, msg, code = httpsrv.json_decode(text)
      assert.is_nil(value)
      assert.are.equal("EINVAL", code)
      assert.is_truthy(msg:match(" at byte " .. byte .. "$"), text .. ": " .. msg)
    end
    local _, msg = httpsrv.json_decode(("["):rep(5000))
    assert.is_truthy(msg:match("at byte %d+$"), msg)
    assert.is_truthy(select(2, httpsrv.json_decode("\0[\0]")):match("at byte %d+$"))
  end)

  it("what JSON cannot say is nil, message, code", function()
    local loop = {}
    loop.loop = loop
    for _, bad in ipairs { print, { print }, { [{}] = 1 }, loop, { a = coroutine.create(print) }, 0 / 0 } do
      local text, msg, code = httpsrv.json_encode(bad)
      assert.is_nil(text)
      assert.is_string(msg)
      assert.are.equal("EINVAL", code)
    end
    loop.empty = httpsrv.empty_array
    assert.is_nil((httpsrv.json_encode(loop)))
  end)

  it("is not touched by what a script does to cjson", function()
    cjson.encode_keep_buffer(false)
    cjson.decode_max_depth(2)
    finally(function() cjson.decode_max_depth(1000) end)
    assert.are.same({ { { {} } } }, httpsrv.json_decode("[[[[]]]]"))
    assert.has_error(function() httpsrv.json_decode(1) end)
  end)
end)

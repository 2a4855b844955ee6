-- The manual's Lua as LuaJIT's: every operator, precedence against a second parser, what must stay as it is, errors at their line.
local translate = require "msys.translate"
local expressions = translate.expressions
local spec = require "support.server"

-- What an expression of the manual's is.
local function value(text)
  local source = expressions("return " .. text)
  return assert(loadstring(source, "=text"))()
end

local function lines(text)
  local n = 0
  for _ in text:gmatch("\n") do n = n + 1 end
  return n
end

describe("the manual's operators", function()
  it("are what they are on integers", function()
    assert.are.equal(7, value "5 | 2")
    assert.are.equal(4, value "5 & 6")
    assert.are.equal(3, value "5 ^^ 6")
    assert.are.equal(40, value "5 << 3")
    assert.are.equal(5, value "43 >> 3")
    assert.are.equal(-2, value "-9 >> 3")
    assert.are.equal(-6, value "~5")
    assert.are.equal(3, value "7 \\ 2")
    assert.are.equal(-4, value "-7 \\ 2")
    assert.are.equal(true, value "1 != 2")
    assert.are.equal(false, value "1 != 1")
    assert.are.equal(true, value "!nil")
    assert.are.equal(false, value "!0")
  end)

  it("have 64 bits", function()
    assert.are.equal(2 ^ 40, value "1 << 40")
    assert.are.equal(2 ^ 40 + 1, value "(1 << 40) | 1")
    assert.are.equal(2 ^ 32, value "0x1ffffffff & ~0xffffffff")
    assert.are.equal(2 ^ 32 - 1, value "0xffffffff | 0")
    assert.are.equal(-2 ^ 32 - 1, value "~0x100000000")
    assert.are.equal(256, value "(1 << 40) >> 32")
    assert.are.equal(-2 ^ 63, value "1 << 63")
    assert.are.equal(1, value "1 << 64") -- as the processor does
    assert.are.equal(0x300000000, value "0x100000000 ^^ 0x200000000")
  end)

  it("cut fractions off, towards zero", function()
    assert.are.equal(1, value "1.9 | 0")
    assert.are.equal(-1, value "-1.9 | 0")
    assert.are.equal(2, value "2.5 & 3.9")
  end)

  it("take strings that are numbers", function()
    assert.are.equal(7, value "'5' | 2")
    assert.are.equal(20, value "'5' << '2'")
    assert.are.equal(3, value "'7' \\ 2")
  end)

  it("call metamethods", function()
    local seen = {}
    local mt = {}
    for _, event in ipairs { "__or", "__and", "__xor", "__not", "__shl", "__shr", "__intdiv" } do
      mt[event] = function(a, b)
        seen[#seen + 1] = event
        return type(a) == "table" and a.name or b.name, "more"
      end
    end
    local x = setmetatable({ name = "x" }, mt)
    local run = assert(loadstring(expressions "local x = ... return { x | 1, 1 & x, x ^^ x, x << 1, 1 >> x, x \\ 1, ~x }"))
    assert.are.same({ "x", "x", "x", "x", "x", "x", "x" }, run(x))
    assert.are.same({ "__or", "__and", "__xor", "__shl", "__shr", "__intdiv", "__not" }, seen)
  end)

  it("refuse other values, at the script's line", function()
    local function failure(text)
      local ok, err = pcall(assert(loadstring(expressions(text), "@script.lua")))
      assert.is_false(ok)
      return err
    end
    assert.are.equal("script.lua:2: attempt to perform a bitwise operation on a nil value", failure "local x\nreturn x | 1")
    assert.are.equal("script.lua:1: attempt to perform a bitwise operation on a table value", failure "return 1 << {}")
    assert.are.equal("script.lua:3: attempt to perform a bitwise operation on a string value", failure "return\n\n~'x'")
    assert.are.equal("script.lua:1: attempt to perform arithmetic on a boolean value", failure "return 1 \\ true")
    assert.are.equal("script.lua:1: attempt to perform a bitwise operation on a nil value", failure "return 1 & nil")
  end)

  it("give one value, and see one of each operand", function()
    assert.are.same({ 3, 7 },
      { loadstring(expressions "local f = function() return 1, 2 end return f() | 2, 5 | (function() return 2, 3 end)()")() })
    assert.are.equal(5, loadstring(expressions "return ... | 4")(1, 2, 3))
    assert.are.same({ -2, -3 }, loadstring(expressions "return { ~..., ~(...) - 1 }")(1, 2, 3))
  end)
end)

-- A second parser: operators and operands on two stacks. Priorities as the manual's interpreter has them, loosest first.
local levels = {
  { "or" }, { "and" }, { "<", ">", "<=", ">=", "~=", "==", "!=" }, { ".." }, { "+", "-", "|", "&", "^^" },
  { "*", "/", "%", "<<", ">>", "\\" }, { "unary" }, { "^" },
}
local level = {}
for i, ops in ipairs(levels) do
  for _, op in ipairs(ops) do level[op] = i end
end
local right = { [".."] = true, ["^"] = true, unary = true }

local function tree(tokens)
  local operands, operators, at = {}, {}, 0
  local function reduce()
    local op = table.remove(operators)
    local b = table.remove(operands)
    local a = not op.unary and table.remove(operands) or nil
    operands[#operands + 1] = op.unary and { op = op.text, b } or { op = op.text, a, b }
  end
  local function run(closing)
    local bottom = #operators
    local want_operand = true
    while at < #tokens do
      at = at + 1
      local t = tokens[at]
      if t == ")" then break end
      if t == "(" then
        run(true)
        want_operand = false
      elseif type(t) == "table" then
        operands[#operands + 1] = t
        want_operand = false
      elseif want_operand then
        operators[#operators + 1] = { text = t, unary = true, level = level.unary }
      else
        local l = level[t]
        while #operators > bottom and (operators[#operators].level > l or operators[#operators].level == l and not right[t]) do reduce() end
        operators[#operators + 1] = { text = t, level = l }
        want_operand = true
      end
    end
    while #operators > bottom do reduce() end
    return closing
  end
  run()
  assert(#operands == 1)
  return operands[1]
end

local function random_tokens(binary, unary, leaf, size)
  local out = {}
  local function expression(n)
    while math.random(4) == 1 do out[#out + 1] = unary[math.random(#unary)] end
    if n > 1 and math.random(4) == 1 then
      out[#out + 1] = "("
      expression(n - 1)
      out[#out + 1] = ")"
    else
      out[#out + 1] = { leaf = leaf() }
    end
    if n > 1 then
      out[#out + 1] = binary[math.random(#binary)]
      expression(n - 1)
    end
  end
  expression(math.random(size))
  return out
end

-- As source, with white space and comments between the tokens.
local gaps = { " ", " ", " ", "\n", " --[[ | ]] ", " -- ~ & \\\n", "\t" }
local function source(tokens)
  local out = {}
  for i, t in ipairs(tokens) do out[i] = (type(t) == "table" and t.leaf or t) .. gaps[math.random(#gaps)] end
  return table.concat(out)
end

describe("precedence", function()
  it("is the manual's for every pair of operators", function()
    local all = {}
    for op in pairs(level) do
      if op ~= "unary" then all[#all + 1] = op end
    end
    table.sort(all)
    for _, a in ipairs(all) do
      for _, b in ipairs(all) do
        local given = expressions(("return x %s y %s z"):format(a, b))
        local grouped = tree({ { leaf = "x" }, a, { leaf = "y" }, b, { leaf = "z" } })
        local text = type(grouped[1].op) == "string" and ("return (x %s y) %s z"):format(a, b) or ("return x %s (y %s z)"):format(a, b)
        -- The same code with brackets compiles to the same.
        local f, g = assert(loadstring(given, "=t")), assert(loadstring(expressions(text), "=t"))
        assert.are.equal(string.dump(g, true), string.dump(f, true), a .. " " .. b)
      end
    end
  end)

  it("is the second parser's for random expressions, whatever the operands", function()
    math.randomseed(20)
    local binary = { "..", "+", "-", "|", "&", "^^", "*", "/", "%", "<<", ">>", "\\", "^" }
    local symbol = {}
    local function node(text) return setmetatable({ text = text }, symbol) end
    local function text_of(v) return type(v) == "table" and v.text or tostring(v) end
    local function event(op) return function(a, b) return node("(" .. text_of(a) .. op .. text_of(b) .. ")") end end
    for name, op in pairs { concat = "..", add = "+", sub = "-", ["or"] = "|", ["and"] = "&", xor = "^^", mul = "*", div = "/", mod = "%",
      shl = "<<", shr = ">>", intdiv = "\\", pow = "^" } do
      symbol["__" .. name] = event(op)
    end
    symbol.__unm = function(a) return node("(-" .. text_of(a) .. ")") end
    symbol.__not = function(a) return node("(~" .. text_of(a) .. ")") end
    local function shape(t)
      if t.leaf then return t.leaf end
      if #t == 1 then return "(" .. t.op .. shape(t[1]) .. ")" end
      return "(" .. shape(t[1]) .. t.op .. shape(t[2]) .. ")"
    end
    local env = { require = require }
    local letters = { "a", "b", "c", "d" }
    for _, letter in ipairs(letters) do env[letter] = node(letter) end
    for _ = 1, 1200 do
      local tokens = random_tokens(binary, { "-", "~" }, function() return letters[math.random(#letters)] end, 9)
      local given = source(tokens)
      local translated = expressions("return " .. given)
      assert.are.equal(lines(given), lines(translated))
      local fn, err = loadstring(translated, "=t")
      assert.is_truthy(fn, tostring(err) .. "\n" .. given .. "\n" .. translated)
      assert.are.equal(shape(tree(tokens)), text_of(setfenv(fn, env)()), given .. "\n" .. translated)
    end
  end)

  it("is the second parser's with comparisons and logic, down to the errors", function()
    math.randomseed(21)
    local all = {}
    for op in pairs(level) do
      if op ~= "unary" then all[#all + 1] = op end
    end
    table.sort(all)
    local ops = require "msys.operators"
    local does = {
      ["<"] = function(a, b) return a < b end, [">"] = function(a, b) return a > b end, ["<="] = function(a, b) return a <= b end,
      [">="] = function(a, b) return a >= b end, ["~="] = function(a, b) return a ~= b end, ["!="] = function(a, b) return a ~= b end,
      ["=="] = function(a, b) return a == b end, [".."] = function(a, b) return a .. b end, ["+"] = function(a, b) return a + b end,
      ["-"] = function(...)
        local a, b = ...
        if select("#", ...) == 1 then return -a end
        return a - b
      end, ["*"] = function(a, b) return a * b end,
      ["/"] = function(a, b) return a / b end, ["%"] = function(a, b) return a % b end, ["^"] = function(a, b) return a ^ b end,
      ["|"] = ops.bor, ["&"] = ops.band, ["^^"] = ops.bxor, ["<<"] = ops.shl, [">>"] = ops.shr, ["\\"] = ops.intdiv, ["~"] = ops.bnot,
      ["not"] = function(a) return not a end, ["!"] = function(a) return not a end,
    }
    local function eval(t)
      if t.leaf then return loadstring("return " .. t.leaf)() end
      if t.op == "and" then return eval(t[1]) and eval(t[2]) end
      if t.op == "or" then return eval(t[1]) or eval(t[2]) end
      local a = eval(t[1])
      if #t == 1 then return does[t.op](a) end
      return does[t.op](a, (eval(t[2])))
    end
    local agreed = 0
    for _ = 1, 1200 do
      local tokens = random_tokens(all, { "-", "~", "not", "!" },
        function() return math.random(10) == 1 and "nil" or tostring(math.random(0, 9)) end, 7)
      local given = source(tokens)
      local fn, err = loadstring(expressions("return " .. given), "=t")
      -- "..5" and the like are no tokens of their own; LuaJIT refuses constants that it folds to an error only when it runs.
      assert.is_truthy(fn, tostring(err) .. "\n" .. given)
      local ok, v = pcall(fn)
      local ok2, v2 = pcall(eval, tree(tokens))
      assert.are.equal(ok2, ok, given)
      if ok and not (v ~= v and v2 ~= v2) then assert.are.equal(v2, v, given) end
      agreed = agreed + (ok and 1 or 0)
    end
    assert.is_true(agreed > 150, "too few expressions had a value: " .. agreed)
  end)
end)

describe("numbers", function()
  it("that begin with 0 are octal", function()
    assert.are.equal(420, value "0644")
    assert.are.equal(0, value "00")
    assert.are.equal(7, value "007")
    assert.are.equal(262143, value "0777777")
    assert.are.equal(8 ^ 17, value "0100000000000000000")
    assert.are.equal("return 420 ; x = 9   + 1", expressions "return 0644; x = 011 + 1")
  end)

  it("of other kinds stay as they are", function()
    for _, text in ipairs { "0", "10", "0.5", "0x10", "0X0f", "0x1p4", "0e1", "1e05", ".05", "5.", "1e-07", "0b11", "0x010LL", "10ULL",
      "2i", "00.5", "0xe+1" } do
      assert.are.equal("return " .. text, expressions("return " .. text))
    end
    assert.are.equal(15, value "0xe+1")
    assert.are.equal("x01 = y.n02[3]", expressions "x01 = y.n02[3]")
  end)

  it("with other digits are an error at their line", function()
    assert.are.same({ nil, 3, "malformed number near '089'" }, { expressions "x = 1\n--[[\n]] y = 089" })
    assert.are.same({ nil, 4, "malformed number near '08'" }, { expressions "x = 1\r\n\r\n\r\ny = 08" })
  end)
end)

describe("strings and comments", function()
  it("keep what looks like an operator", function()
    for _, text in ipairs {
      [[return "a | b != 0644 ~x \\ c"]], [[return 'a << b >> c ^^ d & e']], "return [[ a | b\n!= 0644 ]]", "return [==[ ]] | ]=] & ]==]",
      "x = 1 -- a | b != c \\ 0644", "--[[ a | b\n ~ ]] x = 1", "--[==[ ]] | ]==] x = 1", "--[ a | b\nx = 1", "return '\\'|', \"\\\"|\"",
      "return '\\\n|'", "return '\\\r\n|', 1", "--", "", "#!/usr/bin/env | lua",
    } do
      assert.are.equal(text, expressions(text))
    end
  end)

  it("may hold a backslash before any character", function()
    assert.are.equal("d+.-|z", value [["\d\+\.\-\|\z"]])
    assert.are.equal("\\d", value [["\\d"]])
    assert.are.equal("\n\t\"'A\65\x41", value [["\n\t\"\'A\65\x41"]])
    assert.are.equal([[\d]], value "[[\\d]]")
  end)

  it("may hold code points", function()
    assert.are.equal("\194\163", value [["\u00a3"]])
    assert.are.equal("\194\1635", value [["\u00a35"]])
    assert.are.equal("A9", value [["\u00419"]])
    assert.are.equal("\226\130\172", value [["\u0020ac"]])
    assert.are.equal("\240\159\152\128", value [["\u01f600"]])
    assert.are.equal("\226\130\172", value [["\u{20ac}"]])
  end)
end)

describe("a text", function()
  it("keeps its lines and most columns", function()
    local text = "local a = b |\n  c -- d\n  & 0644\nif x != y then\n  return ~\n z\nend\n"
    local out = expressions(text)
    assert.are.equal(lines(text), lines(out))
    assert.is_truthy(loadstring(out))
    assert.is_truthy(out:find("\nif x ~= y then\n", 1, true))
  end)

  it("has its operands where they end", function()
    local function same(expected, text)
      local n
      repeat expected, n = expected:gsub("%$(%w+)(%b())", "(_msys_operators.%1%2)") until n == 0
      assert.are.equal("local _msys_operators=require\"msys.operators\";" .. expected, expressions(text))
    end
    same("f($bor(a , b), $band(c , d))", "f(a | b, c & d)")
    same("x = t[$bor(i , 1)].y:z($bnot(q))", "x = t[i | 1].y:z(~q)")
    same("x = $bor(f 'a' , g { $bor(1 , 2) }) y()", "x = f 'a' | g { 1 | 2 } y()")
    same("for i = $bor(1 , 2), 3 do f() end", "for i = 1 | 2, 3 do f() end")
    same("return$bnot(x)", "return~x")
    same("return function() return $shl(a, b) end", "return function() return a<<b end")
    same("local f = function(a, ...) local x = $bor(... , 1) end g = $band(h , 2)",
      "local f = function(a, ...) local x = ... | 1 end g = h & 2")
    same("local t = { a = $bor(1 , 2); $bnot(3), [$bor(b , 1)] = '|' }", "local t = { a = 1 | 2; ~3, [b | 1] = '|' }")
    same("while $band(x , 1) == 0 do x = $shr(x ,  1) end", "while x & 1 == 0 do x = x >> 1 end")
    same("repeat local a = 1 until $band(a , 1) ~= 0", "repeat local a = 1 until a & 1 != 0")
    same("goto done ::done:: x = $bor(y , z)", "goto done ::done:: x = y | z")
    same("x = a.b.c:d(1):e '2' [3] y = $intdiv(z , 4)", "x = a.b.c:d(1):e '2' [3] y = z \\ 4")
  end)

  it("may begin with a mark and a line for the shell", function()
    local text = "\239\187\191#!/usr/bin/env httpsrv | lua\nreturn 1 | 2"
    local out = expressions(text)
    assert.are.equal(lines(text), lines(out))
    assert.are.equal(3, loadstring(out)())
    assert.are.equal(3, loadstring(expressions "#\r\nreturn 1 | 2")())
    assert.are.equal(3, loadstring(expressions "\239\187\191return 1 | 2")())
    assert.are.equal("#!/usr/bin/env x | y", expressions "#!/usr/bin/env x | y")
  end)

  it("is not changed where there is nothing to change", function()
    local _, names = spec.shell("ls lua/*/*.lua spec/*.lua spec/*/*.lua examples/*.lua examples/lib/*.lua tests/lint/*.lua")
    local n = 0
    for name in names:gmatch("[^\n]+") do
      if not name:find("msys", 1, true) then
        local file = assert(io.open(name))
        local text = file:read("*a")
        file:close()
        n = n + 1
        assert.are.equal(text, expressions(text), name)
      end
    end
    assert.is_true(n > 30)
  end)

  it("is looked at only when it requires one of the manual's modules", function()
    for _, text in ipairs {
      [[require "msys.core"]], [[require("msys.httpsrv")]], [[local x = require 'msys']], [[require [==[msys.timer]==] ]],
        [[pcall(require, "msys.core")]],
    } do
      assert.are.equal(text, translate.translate(text))
    end
    for _, text in ipairs {
      [[-- require "msys.core"]], [["require 'msys.core'"]], [[require "msysx"]], [[require "my.msys.core"]], [[x.require "msys.core"]],
      [[local require = "msys.core"]], [[require "httpsrv"; msys = 1]], "require",
    } do
      assert.is_nil((translate.translate(text)), text)
    end
  end)
end)

describe("an error", function()
  local function failure(text)
    local fn, err = loadstring(expressions(text), "@script.lua")
    assert.is_nil(fn, text)
    return err:match("^script%.lua:(%d+): ") or err
  end

  it("is found by the compiler at its line", function()
    for line, texts in pairs {
      ["1"] = { "a | b", "~x", "!x", "x = | b", "x = a |", "x = a | )", "x = a ~ b", "x = a ! b", "x y | z", "f() | g", "a << b()",
        "x = (a | b", "x = 1 \\",
        "x = 'abc", "x = a \\\\ b", "return 1 |", "f(a |)", "x = ~", "x = {a &}", "x = &", "local x = 1 ~y", "do a | b end" },
      ["2"] = { "x = 1\nx = a ~ b", "x = 1\n~y", "x = 1;\na | b", "x = a | b\n& c d", "x = 1\n'|", "do\na & b end",
        "x = function()\n a | b end",
        "if a\n| then end" },
      ["3"] = { "x = [[\n\n]] | ", "x = 1\n\n[=[", "--[[\n]]\nx = a ^^ ^^ b", "x = f(\n\n", "x = 1\n\ny = \"\\\n" },
    } do
      for _, text in ipairs(texts) do
        local at = failure(text)
        if text:find("\\\n$") or text:find("f(\n\n", 1, true) then
          assert.is_truthy(tonumber(at) and tonumber(at) >= 3, text .. " -> " .. at)
        else
          assert.are.equal(line, at, text)
        end
      end
    end
  end)

  it("of running code has its line", function()
    local fn = assert(loadstring(expressions "local x = 1 |\n 2\nlocal y = x != 3\n\nerror('here ' .. x)", "@script.lua"))
    local ok, err = pcall(fn)
    assert.is_false(ok)
    assert.are.equal("script.lua:5: here 3", err)
  end)

  it("is never an error of the translator", function()
    math.randomseed(22)
    local words = {
      "a", "b", "0644", "08", "1", "'s'", "\"\\d\"", "[[l]]", "(", ")", "{", "}", "[", "]", "|", "&", "^^", "<<", ">>", "\\", "~", "!",
        "!=", "~=", "=",
      "==", "+", "-", "..", "...", ".", ":", "::", ",", ";", "\n", "function", "end", "if", "then", "return", "local", "not", "and",
        "or", "nil", "do",
      "for", "in", "while", "repeat", "until", "#", "%", "^", "--x\n", "--[[y]]", "[=[", "]=]", "'", "\"", "\\\n", "\0", "\239\187\191",
        "--[[", "goto",
    }
    local compiled = 0
    for _ = 1, 6000 do
      local out = {}
      for i = 1, math.random(14) do out[i] = words[math.random(#words)] end
      local text = table.concat(out, math.random(2) == 1 and " " or "")
      local translated, line = expressions(text)
      if translated then
        assert.are.equal(lines(text), lines(translated), text)
        local fn = loadstring(translated, "=t", "t")
        -- What compiles either was Lua before, or has as many calls as it had operators.
        if fn then
          compiled = compiled + 1
          local tokens = require("msys.lexer").split(text)
          local before = 0
          for i = 1, tokens.n do
            local v = tokens.kind[i] == "op" and tokens.value[i]
            if v == "|" or v == "&" or v == "^^" or v == "<<" or v == ">>" or v == "\\" or v == "~" then before = before + 1 end
          end
          local _, after = translated:gsub("_msys_operators%.", "")
          assert.are.equal(before, after, text .. "\n" .. translated)
        end
      else
        assert.is_true(line >= 1 and line <= lines(text) + 1, text)
      end
    end
    assert.is_true(compiled > 30)
  end)

  it("of nesting is the compiler's", function()
    local deep = ("("):rep(250) .. "a | b" .. (")"):rep(250)
    assert.are.equal("1", failure("x = " .. deep))
    local nested = ("("):rep(150) .. "1 | 2" .. (")"):rep(150)
    assert.are.equal(3, value(nested))
  end)
end)

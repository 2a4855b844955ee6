-- docs/tutorial.md does what it says: its files are put where their first lines say, looked at by "check" and served, and its
-- commands print what is shown.
local support = require "support.server"

local SECONDS = 60

-- The fenced blocks of a Markdown text, in order: { kind =, text = }.
local function blocks(markdown)
  local list = {}
  for kind, text in ("\n" .. markdown):gmatch("\n```(%a+)\n(.-)\n```%f[\n]") do
    list[#list + 1] = { kind = kind, text = text .. "\n" }
  end
  return list
end

-- The commands of a console block with what each prints.
local function commands(text)
  local list = {}
  for line in text:gmatch("([^\n]*)\n") do
    local command = line:match("^%$ (.*)$")
    if command then
      list[#list + 1] = { command = command, output = "" }
    else
      list[#list].output = list[#list].output .. line .. "\n"
    end
  end
  return list
end

describe("tutorial", function()
  local place, server
  local scripts, consoles = {}, {}

  setup(function()
    local file = assert(io.open("docs/tutorial.md"))
    for _, block in ipairs(blocks(file:read("*a"))) do
      if block.kind == "lua" then
        scripts[#scripts + 1] = block.text
      elseif block.kind == "console" then
        consoles[#consoles + 1] = block.text
      end
    end
    file:close()

    local files = {}
    for _, text in ipairs(scripts) do
      files[assert(text:match("^%-%- (site/[%w_]+%.lua)\n"), text)] = text
    end
    place = support.folder(files)
    server = assert(support.start(place .. "/site"))
  end)

  teardown(function()
    support.remove(place)
    local status, _, log = server:stop()
    assert.are.equal(0, status, log)
  end)

  it("has files and commands", function()
    assert.is_true(#scripts >= 8)
    assert.is_true(#consoles >= 8)
  end)

  it("has files in which check finds nothing", function()
    support.within(SECONDS, function()
      local status, said = support.run("check", place .. "/site")
      assert.are.equal(0, status, said)
      assert.is_truthy(said:find("no problems", 1, true), said)
    end)
  end)

  it("has as many routes as its files register", function()
    support.within(SECONDS, function()
      local registered = 0
      for _, text in ipairs(scripts) do
        registered = registered + select(2, text:gsub("httpsrv%.register%(", ""))
      end
      local status, listing = support.run("routes", place .. "/site")
      assert.are.equal(0, status)
      local listed = 0
      for _ in listing:gmatch("[^\n]*/[^\n]*site/[^\n]*") do
        listed = listed + 1
      end
      assert.are.equal(registered, listed, listing)
    end)
  end)

  it("has commands that print what is shown", function()
    support.within(SECONDS, function()
      -- The address stays what it is; the connection goes to this server.
      local curl = ([[curl() { command curl -s --unix-socket "%s" "$@"; }; ]]):format(server.socket)
      local count = 0
      for _, text in ipairs(consoles) do
        for _, step in ipairs(commands(text)) do
          local _, output = support.shell(curl .. step.command)
          assert.are.same({ step.command, step.output }, { step.command, output })
          count = count + 1
        end
      end
      assert.is_true(count >= 12)
      assert.is_nil(server:log():match("error[^\n]*"))
    end)
  end)
end)

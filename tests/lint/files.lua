-- files.lua - what the checks share: the files of a tree, their text, and the reporting of findings.
local files = {}

local findings = 0

--- Files below folders of root whose name ends in one of the suffixes, in order, relative to root.
-- Folders that do not exist count as empty; the checks' own fixtures are left out.
function files.list(root, folders, suffixes)
  local found = {}
  for _, folder in ipairs(folders) do
    local pipe = assert(io.popen("cd '" .. root .. "' && [ ! -d " .. folder .. " ] || find " .. folder .. " -type f"))
    for path in pipe:lines() do
      for _, suffix in ipairs(suffixes) do
        if path:sub(-#suffix) == suffix and not path:find("^tests/lint/fixtures/") then
          found[#found + 1] = path
        end
      end
    end
    pipe:close()
  end
  table.sort(found)
  return found
end

--- The whole text of a file.
function files.read(root, path)
  local file = assert(io.open(root .. "/" .. path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

--- Says what is wrong and where.
function files.report(path, line, ...)
  findings = findings + 1
  print(path .. ":" .. line .. ": " .. string.format(...))
end

--- Ends the check: status 1 when there were findings, or when it looked at nothing.
function files.finish(looked_at)
  if looked_at == 0 then
    print("nothing to look at")
  end
  os.exit((findings == 0 and looked_at > 0) and 0 or 1)
end

return files

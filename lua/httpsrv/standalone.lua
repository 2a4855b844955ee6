--- httpsrv lua: the standalone interpreter, as lua(1).
-- @module httpsrv.standalone
local C = select(2, ...)

local stdout, stderr = io.stdout, io.stderr

local usage = [==[
usage: httpsrv lua [options] [script [args]]
  -e stat   run the statement
  -l name   require the library
  -v        print the version
  --        stop handling options
  -         run stdin and stop handling options
]==]

local function run_statement(text)
  local fn, err = loadstring(text, "=(command line)")
  if not fn then error(err, 0) end
  fn()
end

--- Takes the options off.
-- @return index of the script, and whether there is anything to run without one; nil when an option is wrong
local function options(argv, argc, i)
  local done = false
  while i < argc do
    local a = argv[i]
    if a:sub(1, 1) ~= "-" or a == "-" then return i, done end
    local letter, value = a:sub(2, 2), a:sub(3)
    if a == "--" then return i + 1, done end
    if letter == "e" or letter == "l" then
      if value == "" then
        i = i + 1
        value = argv[i]
        if i >= argc then return nil end
      end
      if letter == "e" then
        run_statement(value)
      else
        local G = _G
        G[value] = require(value)
      end
      done = true
    elseif a == "-v" then
      stdout:write(_VERSION, " (", jit.version, ") under httpsrv\n")
      done = true
    elseif a ~= "-E" then
      return nil
    end
    i = i + 1
  end
  return i, done
end

--- Runs what the command line says.
-- @tparam table argv from 0
-- @tparam int argc
-- @tparam int first index of the first option or of the script
-- @treturn int exit status
return function(argv, argc, first)
  local G = _G
  local i = first
  -- Options run before the script, and see arg as well: find the script first.
  while i < argc and argv[i]:sub(1, 1) == "-" and argv[i] ~= "-" and argv[i] ~= "--" do
    if argv[i] == "-e" or argv[i] == "-l" then i = i + 1 end
    i = i + 1
  end
  if argv[i] == "--" then i = i + 1 end
  local arg = {}
  for k = 0, argc - 1 do arg[k - i] = argv[k] end
  G.arg = arg
  local script, done = options(argv, argc, first)
  if not script then
    stderr:write(usage)
    return 1
  end
  local name = argv[script]
  if name == nil and done then return 0 end
  if name == "-" then name = nil end
  local fn, err = C.loadfile(name, "t")
  if not fn then error(err, 0) end
  C.run_file(fn, unpack(arg, 1, argc - 1 - script))
  return 0
end

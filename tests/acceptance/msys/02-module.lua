-- A module with a beginning and an end, an endpoint of its own for each method, and a command.
require("msys.core");
require("msys.httpsrv");

local mod = {};
local state = { calls = 0 };

function module_handler(session)
  local url_details = session:request_url_get();
  state.calls = state.calls + 1;
  session:response_status_set_std(200, url_details.url .. " was asked for", "text/plain");
end

local function count(cc)
  if cc.argc < 2 then
    print("say what to count");
    return;
  end
  if cc.argv[1] != "calls" then
    print("cannot count", cc.argv[1], cc.argv[2]);
    return 2;
  end
  print(cc.argv[0], state.calls, msys.core.get_now_ts() - state.since >= 0);
end

function mod:init()
  state.since = msys.core.get_now_ts();
  return self == mod;
end

function mod:rsrc_setup()
  msys.httpsrv.register("GET", "/module", module_handler);
  msys.httpsrv.register("POST", "/module", module_handler);
  msys.registerControl("count", count);
  return true;
end

function mod:deinit()
  local log = msys.core.io_wrapper_open("ended", msys.core.O_CREAT | msys.core.O_APPEND | msys.core.O_WRONLY, 0600);
  log:write("ended\nand more", 6);
  return true;
end

-- Never called: there is no mail here.
function mod:validate_data(msg, ac, vctx)
  return msys.core.VALIDATE_CONT;
end

msys.registerModule("module", mod);

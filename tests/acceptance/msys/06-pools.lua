-- Work that blocks, in a pool: a log, and what is to be done when it has been written.
require("msys.core")
require("msys.httpsrv")
require("msys.threadpool")
require("httpsrv").pool("LUA_TXT_LOGS", { threads = 2 })

local FLAGS = msys.core.O_CREAT | msys.core.O_APPEND | msys.core.O_WRONLY;
local written = 0

local function write_log(name, data, done)
  msys.runInPool('LUA_TXT_LOGS', function()
    local log = msys.core.io_wrapper_open(name, FLAGS, 0644);
    if not log then
      print("cannot open " .. name);
      return;
    end
    log:write(data, #data);
    log = nil;
  end, done, msys.core.ECTP_COMPLETE_CALLBACK_SCHED);
end

msys.httpsrv.register("POST", "/log", function(session)
  write_log("requests.log", session:request_data_get_string() .. "\n", function() written = written + 1 end)
end)

msys.httpsrv.register("GET", "/log", function(session)
  local status, size = msys.runInPool("LUA_TXT_LOGS", function() return #(msys.readfile("requests.log") or "") end)
  local st = msys.threadpool.stat("LUA_TXT_LOGS")
  session:response_status_set_std(200, written .. " " .. tostring(status) .. " " .. size .. " " .. st.name .. " " ..
    tostring(st.invocations >= written), "text/plain")
end)

#!/usr/bin/env python3
# shared.py - what four workers share: sums are exact, values are whole though workers are killed while they write, what is to be done once is done by one of
# them, also when that one dies; reloads keep it all.
# timeout: 200
import os
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from serving import Server, checks_of, finish, place, wait_until  # noqa: E402

check = checks_of("ruling 26")
WORKERS = 4

SCRIPT = """
local httpsrv = require "httpsrv"
local d = assert(httpsrv.shared("d", "1M"))
local tiny = assert(httpsrv.shared("tiny", "16K"))
local function text(sess, value) sess:response_append(tostring(value)) end
httpsrv.worker_init(function() d:incr("inits", 1, 0) end)
httpsrv.worker_exit(function() httpsrv.log("notice", "exit of " .. httpsrv.worker_id()) end)
httpsrv.register("GET", "/incr", function(sess) text(sess, d:incr("n", 1, 0)) end)
httpsrv.register("GET", "/many", function(sess)
  for _ = 1, 1000 do d:incr("n", 1, 0) end
  text(sess, httpsrv.worker_id())
end)
httpsrv.register("GET", "/get", function(sess) text(sess, d:get(sess:request_args().key[1])) end)
httpsrv.register("GET", "/write", function(sess)
  for i = 1, 20000 do
    local c = string.char(97 + i % 26)
    tiny:set("k" .. i % 40, c:rep(50 + i % 300))
  end
  text(sess, "written")
end)
httpsrv.register("GET", "/check", function(sess)
  for _, key in ipairs(tiny:keys(0)) do
    local v = tiny:get(key)
    if v and v ~= v:sub(1, 1):rep(#v) then return text(sess, "torn: " .. v) end
  end
  text(sess, "whole " .. tiny:stat().repaired)
end)
httpsrv.timer.every(0.1, function()
  d:incr("ticks", 1, 0)
  d:set("ticker", httpsrv.io.open("/proc/self/stat"):read("*l"):match("^%d+"))
  local me = d:get("ticker")
  if not d:add("inside", me) and d:get("inside") ~= me and io.open("/proc/" .. d:get("inside") .. "/stat") then d:set("both", true) end
  d:set("inside", me)
  pcall(httpsrv.sleep, 0.02) -- a reload cancels it
  d:delete("inside")
end, { once_per_server = true })
"""


class Sharing(Server):
    timeout = 60

    def get(self, path):
        data = b""
        try:
            with self.connect() as s:
                s.sendall(f"GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
                while piece := s.recv(65536):
                    data += piece
        except OSError:
            return None
        return data.decode().partition("\r\n\r\n")[2]

    def number(self, key):
        """A number that is there; asked for again when the worker asked was killed."""
        while not (got := self.get("/get?key=" + key) or "").isdigit():
            time.sleep(0.01)
        return int(got)


def at_once(n, fn):
    results = []
    threads = [threading.Thread(target=lambda: results.append(fn())) for _ in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return results


def run(server):
    check("worker_init runs in each worker", server.get("/get?key=inits") == str(WORKERS), server.get("/get?key=inits"))
    ids = at_once(40, lambda: server.get("/many"))
    check("several workers have added", len(set(ids)) > 1 and None not in ids, ids)
    check("the sum is exact", server.get("/get?key=n") == "40000", server.get("/get?key=n"))

    mark = len(server.log())
    server.process.send_signal(signal.SIGHUP)
    server.wait_for("reloaded", mark)
    check("a reload keeps it", server.get("/incr") == "40001")
    time.sleep(0.3)
    check("worker_init runs for the new scripts, and not on trial", server.get("/get?key=inits") == str(2 * WORKERS), server.get("/get?key=inits"))

    began, before = time.monotonic(), server.number("ticks")
    wait_until(lambda: server.number("ticks") >= before + 10)
    ticks, tenths = server.number("ticks") - before, (time.monotonic() - began) * 10
    check("once_per_server runs once for all", 10 <= ticks <= tenths + 2, (ticks, tenths))
    for i in range(3):
        ticker = server.number("ticker")
        os.kill(ticker, signal.SIGKILL)
        check(f"when its worker dies, another goes on ({i})", wait_until(lambda was=ticker: server.number("ticker") != was, 10))
    both = server.get("/get?key=both") or server.get("/get?key=both")
    check("never two at a time", both == "nil", both)

    stop = threading.Event()

    def write():
        while not stop.is_set():
            server.get("/write")

    writers = [threading.Thread(target=write) for _ in range(WORKERS)]
    for t in writers:
        t.start()
    torn = []
    for i in range(40):
        time.sleep(0.05)
        workers = server.workers()
        if workers:
            os.kill(workers[i % len(workers)], signal.SIGKILL)
        got = server.get("/check")
        if got and not got.startswith("whole"):
            torn.append(got)
    stop.set()
    for t in writers:
        t.join()
    got = None
    for _ in range(100):
        got = server.get("/check") or got
        time.sleep(0.02)
    check("values are whole though workers are killed while they write", not torn and got.startswith("whole"), f"{torn} {got}")
    check("and nobody waits for a lock of theirs", server.get("/write") == "written")
    wait_until(lambda: server.ctl("status").stdout.count("state serving") == 1 + WORKERS)  # the last ones that were killed are back
    mark = len(server.log())
    server.process.send_signal(signal.SIGTERM)
    check("it stops in order", server.process.wait(60) == 0)
    check("worker_exit runs in each worker", server.log()[mark:].count("exit of ") == WORKERS, server.log()[mark:])


with place() as work:
    it = Sharing(work, script=SCRIPT, workers=WORKERS)
    try:
        run(it)
    finally:
        if it.process.poll() is None:
            it.process.kill()
            it.process.wait()
finish()

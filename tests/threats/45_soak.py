#!/usr/bin/env python3
"""45_soak.py - mixed load for as long as MINUTES says (0.3, unless the environment has another; make soak MINUTES=60): kept and new connections, streams, long
polls, uploads that are broken off, jobs in threads of pools (which load what their generation has loaded, whatever the files hold by then), and a reload every
100 ms, good and broken scripts alternating. Nothing fails and nothing is closed; in the end as many Lua states, ios, tasks and descriptors are there as at the beginning, and memory is what it was after the fiftieth reload.
timeout: 150"""
import os
import signal
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from load import Clients, tcp  # noqa: E402
from serving import ask, check, run_tests, serving, wait_until  # noqa: E402

MINUTES = float(os.environ.get("MINUTES") or 0.3)
SLACK = 1.05
MIB = 1 << 20

SCRIPT = """
local httpsrv = require "httpsrv"
local memory = assert(httpsrv.shared("soak", "1M"))
httpsrv.register("GET", "/hello", function(sess) memory:incr("hellos", 1, 0) sess:response_append("hello") end)
httpsrv.register("GET", "/stream", function(sess)
  sess:response_io(httpsrv.io.generator(function(write) for i = 1, 20 do write(i .. ";") httpsrv.sleep(0.02) end end))
end)
httpsrv.register("GET", "/poll", function(sess) httpsrv.sleep(0.5) sess:response_append("polled") end)
httpsrv.register("GET", "/pool", function(sess)
  local deadline = os.clock() + 0.02
  repeat until os.clock() > deadline
  sess:response_append("done")
end, { pool = "CPU" })
httpsrv.register("POST", "/upload", function(sess)
  local n = 0
  for piece in sess:request_data_get():chunks() do n = n + #piece end
  sess:response_append(tostring(n))
end)
httpsrv.register("GET", "/live", function(sess)
  collectgarbage() collectgarbage()
  local live = httpsrv.live()
  sess:response_append(("%%d %%d %%d %%d %%d"):format(httpsrv.worker_id(), live.states, live.ios, live.tasks, live.generations))
end)
httpsrv.timer.every(1, function() memory:set("now", httpsrv.now()) end, { once_per_server = true })
httpsrv.on_unload(function() httpsrv.sleep(0.01) end)
-- %d
%s
"""


def script(n):
    return SCRIPT % (n, "error 'on purpose'" if n % 2 else "")


def abort(connect, stop):
    """Uploads and responses that are broken off."""
    n = 0
    while not stop.is_set():
        n += 1
        try:
            with connect() as s:
                if n % 2:
                    s.sendall(b"POST /upload HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n" + b"x" * 1000)
                else:
                    s.sendall(b"GET /stream HTTP/1.1\r\nHost: h\r\n\r\n")
                    s.recv(100)
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        except OSError:
            pass
        time.sleep(0.02)


def private(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        return sum(int(line.split()[1]) for line in f if line.startswith("Private_")) * 1024


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def state(connect, server):
    """Of each worker, when nothing is asked of it: what lives, descriptors, memory."""
    counts = {}

    def gather():
        with connect() as s:
            words = ask(s, "/live")[1].split()
        counts[int(words[0])] = [int(w) for w in words[1:]]
        return len(counts) == 2

    wait_until(gather)
    return counts, {p: descriptors(p) for p in server.workers()}, sum(private(p) for p in server.workers())


def settled(connect, server, wanted):
    """The state once it is what is wanted, or as it is after a while."""
    last = [None]

    def same():
        last[0] = state(connect, server)
        return last[0][:2] == wanted

    wait_until(same, 15, 0.2)
    return last[0]


def test_soak():
    with serving("--max-requests", "1000000000", "--drain-timeout", "5", script=script(0), workers=2) as server:
        connect = tcp(server.ports()[0])
        with connect() as s:
            for _ in range(20):
                ask(s, "/pool")  # the threads are there from now on
        pids = sorted(server.workers())
        reloads = 0

        def reload_for(seconds, least):
            nonlocal reloads
            end, first = time.monotonic() + seconds, reloads
            while time.monotonic() < end or reloads - first < least:
                reloads += 1
                server.write("a.lua", script(reloads))
                os.kill(server.pid, signal.SIGHUP)
                time.sleep(0.1)

        def under_load(seconds, least, pools=False):
            stop = threading.Event()
            aborter = threading.Thread(target=abort, args=(connect, stop))
            loads = [Clients(connect, kept=8, new=8)] + [Clients(connect, kept=2, new=2, path=p) for p in ("/stream", "/poll") + ("/pool",) * pools]
            aborter.start()
            for load in loads:
                load.__enter__()
            reload_for(seconds, least)
            for load in loads:
                load.stop.set()
            for load in loads:
                load.__exit__()
            stop.set()
            aborter.join()
            server.write("a.lua", script(0))
            os.kill(server.pid, signal.SIGHUP)
            time.sleep(1)
            return loads

        begun = state(connect, server)
        first = under_load(0, 50)
        first += under_load(0, 40, True)
        early = settled(connect, server, begun[:2])
        second = under_load(MINUTES * 60, 50)
        second += under_load(MINUTES * 12, 20, True)
        late = settled(connect, server, early[:2])
        for load in first + second:
            check(f"threats 42, 45: {load.path}: nothing fails, nothing is closed", load.failures() + load.closed == 0 and load.answered > 10, load)
        check("threat 45: no worker has died", sorted(server.workers()) == pids, f"{pids} {server.workers()}")
        check(f"threat 45: Lua states, ios, tasks, generations level after {reloads} reloads", late[0] == early[0], f"{begun[0]} {early[0]} {late[0]}")
        check("threat 45: descriptors level", late[1] == early[1], f"{begun[1]} {early[1]} {late[1]}")
        check("threat 45: memory is within 5% of what it was after 50 reloads", late[2] <= early[2] * SLACK + MIB / 2,
              f"{begun[2] / MIB:.1f} {early[2] / MIB:.1f} {late[2] / MIB:.1f} MiB")
        log = server.log()
        check("threat 42: good and broken scripts alternate", log.count("reloaded ") > 10 and log.count("on purpose") > 10)


run_tests(globals())

#!/usr/bin/env python3
"""41_killed_workers.py - workers killed with 9 again and again, under load: connections of the others are untouched, none is refused, every loss is the killed
worker's, another is there at once, and later and later when it keeps dying. And connections are dealt out evenly."""
import collections
import os
import signal
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from load import Watched, tcp  # noqa: E402
from serving import ask, check, run_tests, serving, wait_until  # noqa: E402

KILLS = 8
KEPT = 16
NEW = 8

SCRIPT = """
local httpsrv, ffi = require "httpsrv", require "ffi"
ffi.cdef "int getpid(void); int kill(int pid, int number);"
local pid = ffi.C.getpid()
local f = io.open("%s")
if f then f:close() ffi.C.kill(pid, 9) end
httpsrv.register("GET", "/pid", function(sess) sess:response_append(tostring(pid)) end)
"""


def test_killed_workers():
    with serving(script=SCRIPT % "/nowhere/flag", workers=2) as server:
        pauses = []
        with Watched(tcp(server.ports()[0]), kept=KEPT, new=NEW, path="/pid") as clients:
            time.sleep(0.5)
            for i in range(KILLS):
                before = server.workers()
                victim = sorted(before)[i % 2]
                clients.killed[victim] = time.monotonic()
                os.kill(victim, signal.SIGKILL)
                wait_until(lambda: set(server.workers()) - set(before), pause=0.002)
                pauses.append(time.monotonic() - clients.killed[victim])
                time.sleep(max(0.0, 0.5 - pauses[-1]))
        check("threat 41: no connection is ever refused", clients.refused == 0, clients.refused)
        check("threat 41: only the killed worker's connections are lost", not clients.unexplained(), (clients.unexplained(), clients.killed))
        check("threat 41: and no answer is another's", clients.wrong == 0, clients)
        check("threat 41: the others go on", clients.answered > 200, clients.answered)
        check("threat 41: a new worker within 100 ms", statistics.median(pauses) < 0.1, [round(p, 3) for p in pauses])
        check("threat 41: what is left is two that serve", len(server.workers()) == 2)


def test_a_worker_that_keeps_dying():
    flag = f"/tmp/httpsrv-die-{os.getpid()}"
    with serving(script=SCRIPT % flag, workers=2) as server:
        try:
            with open(flag, "w", encoding="ascii"):
                pass
            well, victim = server.workers()
            os.kill(victim, signal.SIGKILL)
            time.sleep(3)
            deaths = server.log().count("died of signal")
            check("threat 41: a worker that keeps dying is started later and later", 3 <= deaths <= 8, f"{deaths} times in 3 s")
            answered = 0
            for _ in range(50):  # half of them came to the queue of the one that is not there
                with server.connect() as s:
                    answered += ask(s, "/pid")[1] == str(well).encode()
            check("threat 41: the other one serves all", answered == 50, answered)
        finally:
            os.unlink(flag)
        check("threat 41: and it comes back", wait_until(lambda: len(server.workers()) == 2 and server.log().count(") serves") >= 1))


SLOW = """
local httpsrv, ffi = require "httpsrv", require "ffi"
ffi.cdef "int getpid(void);"
local me = ffi.C.getpid() .. " %d"
while %s do
  local f = io.open("%s")
  if not f then break end
  f:close()
  httpsrv.sleep(0.01)
end
httpsrv.register("GET", "/me", function(sess) sess:response_append(me) end)
"""


def test_a_reload_while_a_worker_begins():
    """It has read the former scripts by then, and is not done with them."""
    gate = f"/tmp/httpsrv-gate-{os.getpid()}"
    with serving(script=SLOW % (1, "true", gate), workers=2) as server:
        try:
            with open(gate, "w", encoding="ascii"):
                pass
            os.kill(server.workers()[0], signal.SIGKILL)
            check("a worker begins", wait_until(lambda: " state starting " in server.ctl("status").stdout))
            time.sleep(0.5)
            server.write("a.lua", SLOW % (2, "false", gate))
            os.kill(server.pid, signal.SIGHUP)
            time.sleep(1)
        finally:
            os.unlink(gate)
        wait_until(lambda: server.ctl("status").stdout.count(" state serving ") == 2)
        server.wait_for(" in all workers")
        said = {}

        def all_have():
            with server.connect() as s:
                pid, n = ask(s, "/me")[1].split()
            said[pid] = n
            return len(said) == 2 and set(said.values()) == {b"2"}

        check("threats 41, 42: a worker that begins takes part in a reload", wait_until(all_have, 5), said)


def test_a_worker_that_finds_broken_scripts():
    with serving(script=SLOW % (1, "false", ""), workers=2) as server:
        server.write("a.lua", "nonsense here")
        os.kill(server.workers()[0], signal.SIGKILL)
        wait_until(lambda: server.log().count(" cannot load: ") == 6)  # the next try is in 3.2 s
        with server.connect() as s:
            check("threat 41: while another cannot load what there is the first one serves what it has", ask(s, "/me")[1].endswith(b" 1"))
        mark = len(server.log())
        server.write("a.lua", SLOW % (2, "false", ""))
        os.kill(server.pid, signal.SIGHUP)
        server.wait_for(" in all workers", mark)
        check("threats 41, 42: when the scripts are good again it is there at once",
              wait_until(lambda: server.ctl("status").stdout.count(" state serving ") == 2, 2), server.log()[mark:])


def test_connections_are_dealt_out():
    total = 10000
    for workers in (2, 4):
        with serving(script=SCRIPT % "/nowhere/flag", workers=workers) as server:
            connect = tcp(server.ports()[0])
            for _ in range(3):  # on a busy machine one may be late, and another accepts for it
                counts = collections.Counter()
                for _ in range(total):
                    with connect() as s:
                        counts[ask(s, "/pid")[1]] += 1
                if max(counts.values()) <= 1.2 * total / workers and len(counts) == workers:
                    break
            check(f"of {total} connections none of {workers} workers has more than 1.2 times the mean",
                  max(counts.values()) <= 1.2 * total / workers and len(counts) == workers, dict(counts))


run_tests(globals())

#!/usr/bin/env python3
"""41_killed_workers.py - workers killed with 9 again and again, under load: connections of the others are untouched, none is refused, every loss is the killed
worker's, another is there at once, and later and later when it keeps dying. And connections are dealt out evenly.
timeout: 180"""
import collections
import os
import signal
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from load import Clients, tcp  # noqa: E402
from serving import ask, check, run_tests, serving, wait_until  # noqa: E402

KILLS = 12
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


class Watched(Clients):
    """Clients that know which worker they are with."""

    def __init__(self, connect):
        super().__init__(connect, KEPT, NEW, "/pid")
        self.killed = {}  # when, by process
        self.losses = []  # of kept connections: (worker, when); of new ones: (None, when)
        self.worker = {}  # by kept connection, once it has answered

    def one(self, s, kind):
        began = time.monotonic()
        try:
            got = ask(s, self.path)
        except OSError:
            got = None
        with self.lock:
            worker = self.worker.pop(s, None)
            if got is None:
                self.losses.append((worker, began, time.monotonic()))
                return False
            if not got[1].isdigit():
                self.wrong += 1
                return False
            self.answered += 1
            if kind == "kept":
                self.worker[s] = int(got[1])
        return True


def test_killed_workers():
    with serving(script=SCRIPT % "/nowhere/flag", workers=2) as server:
        pauses = []
        with Watched(tcp(server.ports()[0])) as clients:
            time.sleep(0.5)
            for i in range(KILLS):
                before = server.workers()
                victim = sorted(before)[i % 2]
                clients.killed[victim] = time.monotonic()
                os.kill(victim, signal.SIGKILL)
                wait_until(lambda: set(server.workers()) - set(before), pause=0.002)
                pauses.append(time.monotonic() - clients.killed[victim])
                time.sleep(max(0.0, 0.5 - pauses[-1]))
        kept = [(worker, began, ended) for worker, began, ended in clients.losses if worker]
        new = [(began, ended) for worker, began, ended in clients.losses if not worker]
        check("threat 41: no connection is ever refused", clients.refused == 0, clients.refused)
        check("threat 41: no answer is an error", clients.wrong == 0, clients.wrong)
        check("threat 41: a kept connection is only lost with its worker", all(worker in clients.killed for worker, _, _ in kept),
              (kept, clients.killed))
        check("threat 41: a new one only when a worker is killed meanwhile", all(any(began <= when <= ended for when in clients.killed.values())
                                                                                 for began, ended in new), (new, clients.killed))
        check("threat 41: each kill costs no more than there were connections", len(kept) <= KILLS * KEPT and len(new) <= KILLS * NEW,
              (len(kept), len(new)))
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

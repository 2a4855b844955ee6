#!/usr/bin/env python3
"""45_soak.py - mixed load on workers whose scripts are loaded anew every 100 ms, good and broken ones alternating: 32 connections that are kept and 32 clients
that make new ones, streams, long polls and jobs of pools that last for many reloads, uploads and responses that are broken off. 1,000 reloads, or as many as there
is time for in MINUTES (make soak MINUTES=60): nothing fails and nothing is closed, what is in flight ends on the scripts that it began on, and in the end
there are as many Lua states, ios, tasks and descriptors as at the beginning, and no more memory than after the fiftieth.

The same again while workers are killed with 9 twice a second, for 30 s, or a fifth of MINUTES: what is lost was the killed worker's, and what the master had
for it is free again."""
# timeout: 600
import collections
import os
import random
import signal
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from load import Watched, tcp  # noqa: E402
from serving import ask, check, read_answer, request, run_tests, serving, wait_until  # noqa: E402

MINUTES = float(os.environ.get("MINUTES") or 0)
RELOADS = max(1000, int(MINUTES * 600))
KILLING = max(30, MINUTES * 12)  # seconds
FIRST = 50
EVERY = 0.1
SLACK = 1.05
LATE = 2  # seconds after which no worker can have missed that a reload was decided on
NO_CACHES = {"GLIBC_TUNABLES": "glibc.malloc.tcache_count=0"}  # freed blocks that malloc(3) keeps for each thread become more for a long while
CALM = [1, 0, 0, 1]  # Lua states, ios, tasks, generations of a worker of which nothing is asked

SCRIPT = """
local httpsrv, ffi = require "httpsrv", require "ffi"
ffi.cdef "int getpid(void); int malloc_trim(size_t);"
local me = ffi.C.getpid() .. " %(n)d;"
local memory = assert(httpsrv.shared("soak", "1M"))
httpsrv.register("GET", "/hello", function(sess) memory:incr("hellos", 1, 0) sess:response_append(me) end)
httpsrv.register("GET", "/stream", function(sess)
  sess:response_io(httpsrv.io.generator(function(write) for _ = 1, 40 do write(me) httpsrv.sleep(0.05) end end))
end)
httpsrv.register("GET", "/poll", function(sess) httpsrv.sleep(1) sess:response_append(me) end)
httpsrv.register("GET", "/pool", function(sess) httpsrv.sleep(0.5) sess:response_append(me) end, { pool = "CPU" })
httpsrv.register("POST", "/upload", function(sess)
  local n = 0
  for piece in sess:request_data_get():chunks() do n = n + #piece end
  sess:response_append(tostring(n))
end)
httpsrv.register("GET", "/live", function(sess)
  collectgarbage() collectgarbage() ffi.C.malloc_trim(0)
  local live = httpsrv.live()
  sess:response_append(("%%s%%d %%d %%d %%d"):format(me, live.states, live.ios, live.tasks, live.generations))
end)
httpsrv.timer.every(1, function() memory:set("now", httpsrv.now()) end, { once_per_server = true })
httpsrv.on_unload(function() httpsrv.sleep(0.01) end)
%(end)s
"""


def script(n):
    """Broken when n is odd."""
    return SCRIPT % {"n": n, "end": "error 'on purpose'" if n % 2 else ""}


class Reloads:
    """One each 100 ms, each seen to its end, on a server of two workers or more."""

    def __init__(self, server):
        self.server, self.log, self.n = server, open(server.log_path, encoding="utf-8", errors="replace"), 0
        self.log.seek(0, os.SEEK_END)
        self.rest = ""
        self.good, self.bad, self.odd = [], 0, []  # of the good ones, when and which
        self.slowest = 0

    def outcomes(self):
        found = []
        *lines, self.rest = (self.rest + self.log.read()).split("\n")  # the last one may have come in part
        for line in lines:
            if line.endswith(" in all workers") and " reloaded " in line:
                found.append(True)
            elif line.endswith(" reload failed, everything stays as it was"):
                found.append(False)
        return found

    def one(self, n):
        self.n = n
        began = time.monotonic()
        self.server.write("a.lua", script(n))
        os.kill(self.server.pid, signal.SIGHUP)
        found = wait_until(self.outcomes, 30, 0.005) or []
        self.slowest = max(self.slowest, time.monotonic() - began)
        if found == [True] and n % 2 == 0:
            self.good.append((time.monotonic(), n))
        elif found == [False] and n % 2 == 1:
            self.bad += 1
        else:
            self.odd.append((n, found, self.server.log()[-500:]))

    def run(self, count=None, until=None, there=lambda: True):
        """So many, or until then. Good scripts stay until somebody is there: whoever begins while the broken ones are in their place cannot."""
        done = 0
        while done < count if count is not None else time.monotonic() < until:
            began = time.monotonic()
            self.one(self.n + 1)
            done += 1
            if self.n % 2 == 0:
                wait_until(there, 10)
            time.sleep(max(0, began + EVERY - time.monotonic()))


class Users(Watched):
    """Clients that know which scripts have answered them. An answer is "PID N;", once or more often."""

    def __init__(self, reloads, connect, **more):
        super().__init__(connect, pause=0.03, **more)
        self.reloads, self.seen = reloads, set()

    def fault(self, head, words, before, began):
        why = super().fault(head, words, before, began)
        if why:
            return why
        n, said = int(words[1].split(b";")[0]), b" ".join(words)
        self.seen.add(n)
        if set(said.rstrip(b";").split(b";")) != {b"%s %d" % (words[0], n)}:
            return "more than one generation in a response", said
        if n % 2:
            return "broken scripts have answered", n
        if before and n < int(before[1].split(b";")[0]):
            return "former scripts", before, words
        least = next((m for when, m in reversed(self.reloads.good[-100:]) if when < began - LATE), 0)
        return ("scripts that were replaced long ago", n, least) if n < least else None


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


class Load:
    """All that goes on at once."""

    def __init__(self, server, reloads):
        over_tcp, over_unix = tcp(server.ports()[0]), server.connect_unix
        self.stop = threading.Event()
        self.aborter = threading.Thread(target=abort, args=(over_tcp, self.stop))
        self.hello = Users(reloads, over_tcp, kept=32, new=32)
        self.all = [self.hello, Users(reloads, over_unix, kept=4, new=4, path="/stream"), Users(reloads, over_tcp, kept=4, new=4, path="/poll"),
                    Users(reloads, over_unix, kept=2, new=2, path="/pool")]

    def __enter__(self):
        self.aborter.start()
        for users in self.all:
            users.__enter__()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for users in self.all:
            users.stop.set()
        for users in self.all:
            users.__exit__()
        self.aborter.join()


def private(pid):
    """KiB of memory that is this process's alone, by what it is mapped as."""
    found, what = collections.Counter(), ""
    with open(f"/proc/{pid}/smaps", encoding="ascii") as f:
        for line in f:
            words = line.split()
            if words[0] == "Private_Dirty:":
                found[what] += int(words[1])
            elif not words[0].endswith(":"):
                what = words[5] if len(words) > 5 else f"anonymous {int(words[0].split('-')[1], 16) - int(words[0].split('-')[0], 16) >> 10}"
    return +found


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def lives(server):
    """By process of a worker: Lua states, ios, tasks, generations, and which scripts it answers with."""
    found = {}

    def gather():
        with server.connect() as s:
            me, counts = ask(s, "/live")[1].split(b";")
        pid, n = me.split()
        found[int(pid)] = [int(w) for w in counts.split()], int(n)
        return len(found) >= len(server.workers())

    wait_until(gather)
    return found


def settled(server, reloads):
    """When nothing is asked any more, and the last generations that served have gone: by process of a worker, what lives and which scripts answer; by process,
    the master's too, its descriptors and the memory that it cannot give back."""
    for _ in range(2):  # so that the state that is left was made when nothing else went on
        last = reloads.n + 2 - reloads.n % 2
        reloads.one(last)
        wait_until(lambda: all(v == (CALM, last) for v in lives(server).values()), 20, 0.2)
    time.sleep(0.5)
    left = lives(server)
    time.sleep(0.2)  # the connections that asked are gone
    return left, {p: (descriptors(p), private(p)) for p in [server.pid, *sorted(left)]}


def pour(connect, n=150):
    """More at once than there will ever be again, so that what is kept for the next time (free lists, threads of pools) is there."""
    for path in ("/poll", "/stream", "/hello", "/pool", "/live"):
        crowd = [connect() for _ in range(n if path != "/pool" else 16)]
        for s in crowd:
            s.sendall(request(path))
        for s in crowd:
            read_answer(s)
            s.close()


def check_calm(what, server, reloads, left, workers):
    check(f"{what}: as many Lua states, ios, tasks and generations live as at the start",
          len(left) == workers and all(live == CALM for live, _ in left.values()), left)
    check(f"{what}: the last good scripts answer in all workers", {n for _, n in left.values()} == {reloads.n}, (left, reloads.n))
    with open(f"/proc/{server.pid}/task/{server.pid}/children", encoding="ascii") as f:
        children = [int(p) for p in f.read().split()]  # those that have not been waited for, too
    check(f"{what}: the master has no other children", sorted(children) == sorted(left), (children, left))
    status = server.ctl("status").stdout
    check(f"{what}: no connection or request is counted that is not there", "\nconnections 0\n" in status and "\nwaiting 0\n" in status, status)


def check_level(what, early, late):
    for pid, (fds, memory) in late.items():
        if pid in early:
            check(f"{what}: descriptors of {pid} are level", fds <= early[pid][0], f"{early[pid][0]}, {fds}")
            before, now = (sum(m.values()) for m in (early[pid][1], memory))
            check(f"{what}: memory of {pid} is within 5%", now <= before * SLACK,
                  f"{before} KiB, {now} KiB; more of {memory - early[pid][1]}, less of {early[pid][1] - memory}")


def check_reloads(what, reloads, load):
    check(f"{what}: each reload has ended, good ones with all workers, broken ones with none", not reloads.odd and len(reloads.good) > 10 < reloads.bad,
          (len(reloads.good), reloads.bad, reloads.odd[:10], f"the slowest in {reloads.slowest:.2f} s"))
    check(f"{what}: the handlers of many generations have answered", len(load.hello.seen) > len(reloads.good) / 3, len(load.hello.seen))


def soaking(workers, *options):
    return serving("--max-requests", "1000000000", "--drain-timeout", "5", "--generations", "16", *options, script=script(0), workers=workers,
                   listen=("127.0.0.1:0", "unix:{work}/socket"), popen={"env": {**os.environ, **NO_CACHES}})


def test_reloads():
    with soaking(2) as server:
        reloads, pids = Reloads(server), sorted(server.workers())
        pour(tcp(server.ports()[0]))
        with Load(server, reloads) as warm:
            reloads.run(FIRST)
        early = settled(server, reloads)
        began = time.monotonic()
        with Load(server, reloads) as load:
            reloads.run(RELOADS - FIRST)
        seconds = time.monotonic() - began
        late = settled(server, reloads)
        for users in warm.all + load.all:
            check(f"threats 42, 45: {users.path}: no request fails, no connection is closed, what is in flight ends where it began",
                  users.failures() + users.closed == 0 and users.answered > 10, users)
        check_reloads(f"threat 42: {RELOADS} reloads, {(RELOADS - FIRST) / seconds:.1f} in a second", reloads, load)
        check("threat 45: no worker has died", sorted(server.workers()) == pids, f"{pids} {server.workers()}")
        check_calm("threats 42, 45", server, reloads, late[0], 2)
        check_level(f"threats 42, 45: after {RELOADS} reloads and after {FIRST}", early[1], late[1])


def kill_again_and_again(server, load, killed, until):
    while time.monotonic() < until:
        victims = load.hello.workers & set(server.workers())
        if victims:
            victim = random.choice(sorted(victims))
            killed[victim] = time.monotonic()
            os.kill(victim, signal.SIGKILL)
        time.sleep(0.5)


def test_kills():
    with soaking(3, "--max-connections", "250") as server:  # which what the dead had would soon come to, if it were kept
        reloads, killed = Reloads(server), {}
        load = Load(server, reloads)
        for users in load.all:
            users.killed = killed
        early = settled(server, reloads)
        until = time.monotonic() + KILLING
        killer = threading.Thread(target=kill_again_and_again, args=(server, load, killed, until))
        with load:
            killer.start()
            reloads.run(until=until, there=lambda: load.hello.workers & set(server.workers()))
            killer.join()
            reloads.run(2 - reloads.n % 2)  # a worker whose successor found broken scripts is replaced when they are good again
            wait_until(lambda: server.ctl("status").stdout.count(" state serving ") == 3)
            reloads.run(10)
        late = settled(server, reloads)
        check("threat 41: workers were killed", len(killed) > KILLING, len(killed))
        lost = [loss for users in load.all for loss in users.losses]
        for users in load.all:
            check(f"threats 41, 42: {users.path}: no connection is refused, no answer is wrong, none is closed",
                  users.refused + users.wrong + users.closed == 0 < users.answered, users)
            check(f"threats 41, 42: {users.path}: what is lost was the killed worker's", not users.unexplained(), users.unexplained()[:3])
        check("threat 41: they had connections", len(lost) > len(killed), f"{len(lost)} lost with {len(killed)} workers")
        check_reloads("threats 41, 42: while workers die", reloads, load)
        log = server.log()
        check("threat 41: none has died of anything else", log.count(" died of signal 9 ") == len(killed) == log.count(" died of signal "),
              [line for line in log.splitlines() if " died of signal " in line and " signal 9 " not in line])
        check_calm("threats 41, 42", server, reloads, late[0], 3)
        check_level("threats 41, 45: while workers die", early[1], {server.pid: late[1][server.pid]})


run_tests(globals())

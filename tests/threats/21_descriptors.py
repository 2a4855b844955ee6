#!/usr/bin/env python3
"""21_descriptors.py - more connections than descriptors: accepting pauses without spinning, those who wait are told or served, and all is well afterwards."""
import os
import resource
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from serving import ask, check, cpu_seconds, request, run_tests, serving, wait_until  # noqa: E402

LIMIT = 64
CLIENTS = 150


def switches(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(x.split()[1]) for x in f if x.startswith("voluntary_ctxt_switches"))


def test_descriptors():
    with serving(popen={"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (LIMIT, LIMIT))}) as server:
        held = []
        while len(held) < LIMIT and (not held or ask(held[-1]) is not None and "accepting pauses" not in server.log()):
            s = server.connect()
            s.settimeout(5)
            held.append(s)
            s.sendall(request())
            try:
                if not s.recv(4096).startswith(b"HTTP/1.1 200 "):
                    break
            except OSError:
                break
        check("threat 21: connections up to the limit are served", 20 < len(held) < LIMIT, len(held))
        crowd = [server.connect() for _ in range(CLIENTS)]
        for s in crowd:
            s.settimeout(20)
            s.sendall(request())
        check("threat 21: it says so, once", wait_until(lambda: "accepting pauses" in server.log()) and server.log().count("accepting pauses") == 1)
        answers = {"told": 0, "lost": 0}
        for s in crowd[:40]:
            try:
                answers["told" if s.recv(4096).startswith(b"HTTP/1.1 503 ") else "lost"] += 1
            except OSError:
                answers["lost"] += 1
        check("threat 21: those who wait are answered with 503", answers["told"] == 40, answers)
        wait_until(lambda: all(ended(s) for s in crowd))
        more = [server.connect() for _ in range(20)] # they send nothing: the kernel hands them over after a second
        cpu, turns = cpu_seconds(server.pid), switches(server.pid)
        time.sleep(2)
        cpu, turns = cpu_seconds(server.pid) - cpu, switches(server.pid) - turns
        check("threat 21: no spinning", cpu < 0.3 and turns < 200, f"{cpu} s, {turns} turns in 2 s")
        check("threat 21: who has a connection is served meanwhile", ask(held[0]) is not None)
        for s in held + crowd + more:
            s.close()

        def served():
            with server.connect() as s:
                s.settimeout(5)
                got = ask(s)
                return got is not None and got[0].startswith(b"HTTP/1.1 200 ")
        check("threat 21: it recovers", wait_until(served))
        check("threat 21: and says so", "accepting goes on" in server.log())


def ended(s):
    s.setblocking(False)
    try:
        while s.recv(4096):
            pass
        return True
    except BlockingIOError:
        return False
    except OSError:
        return True


run_tests(globals())

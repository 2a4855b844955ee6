#!/usr/bin/env python3
# workers.py - a master and its workers through their life: one that stands still, reloads, control commands, draining, starts that fail, a master that dies.
# timeout: 400
import contextlib
import hashlib
import os
import selectors
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from load import tcp  # noqa: E402
from serving import HTTPSRV, Server, ask, check, place, request, run_tests, serving, wait_until  # noqa: E402

SCRIPT = """
local httpsrv = require "httpsrv"
httpsrv.register("GET", "/hello", function(sess)
  sess:response_status_set_std(200, "OK", "text/plain")
  sess:response_append("hello %s")
end)
httpsrv.register("GET", "/spin", function() while true do end end)
httpsrv.register_control("greet", function(cc)
  cc:print("hello", cc.argv[1])
  cc:print(("x"):rep(100000))
  return 3
end)
httpsrv.register("GET", "/who", function(sess)
  sess:response_append(sess:request_username_get())
end, { auth = require("httpsrv.auth").digest{ realm = "r", users = { ann = "secret" } } })
httpsrv.register_control("wait", function() httpsrv.sleep(60) end)
httpsrv.register("GET", "/slow", function(sess)
  httpsrv.sleep(0.7)
  sess:response_append("slow")
end)
"""


class Workers(Server):
    patience, timeout = 30, 10

    def __init__(self, work, *options, workers=2, **more):
        super().__init__(work, *options, script=SCRIPT % 1, workers=workers, **more)


def serving_workers(*options):
    return serving(*options, kind=Workers)


def answered_at_once(server, n, patience):
    """Makes n connections at a time, each with a request: how many are answered, and how long the slowest took."""
    connect = tcp(server.ports()[0])
    with selectors.DefaultSelector() as poll:
        for _ in range(n):
            began, s = time.monotonic(), connect()
            s.sendall(request())
            poll.register(s, selectors.EVENT_READ, began)
        answered, slowest, end = 0, 0, time.monotonic() + patience
        while poll.get_map() and time.monotonic() < end:
            for key, _ in poll.select(0.1):
                answered += key.fileobj.recv(4096).startswith(b"HTTP/1.1 200 ")
                slowest = max(slowest, time.monotonic() - key.data)
                poll.unregister(key.fileobj)
                key.fileobj.close()
        for key in list(poll.get_map().values()):
            key.fileobj.close()
    return answered, slowest


def test_a_worker_that_stands_still():
    with serving_workers("--watchdog", "6") as server:
        workers = sorted(server.workers())
        hanging = server.connect()
        hanging.sendall(b"GET /spin HTTP/1.1\r\nHost: x\r\n\r\n")
        for _ in range(3):  # a busy machine may be late
            answered, slowest = answered_at_once(server, 1000, 1)
            if answered == 1000 and slowest < 1:
                break
        check("threat 27b: 1,000 new connections are all answered within 1 s while one of two workers stands still", answered == 1000 and slowest < 1,
              f"{answered} answered, the slowest in {slowest * 1000:.0f} ms")
        check("threat 27b: which it does all the while", sorted(server.workers()) == workers and "come round its loop" not in server.log())
        server.wait_for("has not come round its loop")
        server.wait_for("serves", after=server.log().index("has not come round its loop"))
        check("threat 35: a worker that stands still is replaced", len(server.workers()) == 2)
        hanging.close()


def test_connections_are_dealt_out():
    def held(p):
        return sum(os.readlink(f"/proc/{p}/fd/{fd}").startswith("socket:") for fd in os.listdir(f"/proc/{p}/fd"))

    with serving_workers() as server:
        for _ in range(5):  # on a busy machine one may be late, and the other accepts for it
            connections = [server.connect() for _ in range(400)]
            for s in connections:
                ask(s)
            counts = [held(p) for p in server.workers()]
            for s in connections:
                s.close()
            if min(counts) > 150:
                break
        check("both workers have about half of the connections", min(counts) > 150, str(counts))


def test_reload():
    with serving_workers() as server:
        for i in range(2, 6):
            mark = len(server.log())
            broken = i % 2 == 1
            server.write("a.lua", "syntax error here" if broken else SCRIPT % i)
            server.process.send_signal(signal.SIGHUP)
            server.wait_for("reload failed" if broken else "reloaded " + server.app, after=mark)
            if not broken:
                time.sleep(0.1)
                with server.connect() as s:
                    got = ask(s)
                check(f"reload {i} is served", got[1] == f"hello {i}".encode(), str(got))
        check("threat 42: the trial says what is wrong", "a.lua:1:" in server.log())


def test_a_reload_that_a_worker_misses():
    with serving_workers("--load-timeout", "1", "--watchdog", "60") as server:
        late = server.workers()[0]
        os.kill(late, signal.SIGSTOP)
        server.write("a.lua", SCRIPT % 2)
        check("a reload that a worker does not answer fails", server.ctl("reload").returncode == 1 and "a worker does not answer" in server.log(), server.log())
        os.kill(late, signal.SIGCONT)
        with server.connect() as s:
            check("and nothing has changed", ask(s)[1] == b"hello 1")
        time.sleep(0.5)
        server.write("a.lua", SCRIPT % 3)
        check("the next one is for all again", server.ctl("reload").returncode == 0 and late in server.workers(), server.log())
        said = set()
        for _ in range(50):
            with server.connect() as s:
                said.add(ask(s)[1])
        check("and serves", said == {b"hello 3"}, said)


MISSED = """
local httpsrv = require "httpsrv"
if httpsrv.worker_id() == 0 and httpsrv.phase() == "load" and %d == 2 then os.execute("sleep 12") end
""" + SCRIPT


def test_answers_of_a_reload_that_was_given_up():
    """They are none to the next one, whether it begins after them or waits for what is being loaded."""
    with serving_workers("--load-timeout", "1", "--watchdog", "60") as server:
        late = server.workers()[0]
        os.kill(late, signal.SIGSTOP)
        server.write("a.lua", SCRIPT % 2)
        check("a reload is missed", server.ctl("reload").returncode == 1)
        server.write("a.lua", SCRIPT % 3)
        threading.Timer(0.5, os.kill, (late, signal.SIGCONT)).start()
        check("one that waits for a worker is answered once for both", server.ctl("reload").returncode == 0, server.log())
        server.write("a.lua", MISSED % (2, 4))
        check("a reload takes a worker too long", server.ctl("reload").returncode == 1 and server.log().count("a worker does not answer") == 2, server.log())
        server.write("a.lua", MISSED % (3, 5))
        check("the next one is not taken for it", server.ctl("reload").returncode == 0, server.log())
        said = set()
        for _ in range(50):
            with server.connect() as s:
                said.add(ask(s)[1])
        check("and serves in all", said == {b"hello 5"} and late in server.workers(), said)


def test_drain():
    with serving_workers("--drain-timeout", "20") as server:
        idle, slow = server.connect(), server.connect()
        check("an idle connection", ask(idle) is not None)
        slow.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.2)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        with contextlib.suppress(OSError):
            server.connect().close()
            check("ruling 23: no new connections", False)
        got = ask(idle)
        check("ruling 23: a request on an idle connection is answered with close", got is not None and b"Connection: close" in got[0])
        data = b""
        while piece := slow.recv(4096):
            data += piece
        check("ruling 23: what runs is finished", data.endswith(b"slow"))
        check("ruling 23: then it ends", server.process.wait(timeout=10) == 0)


def test_control():
    with place() as work:
        server = Workers(work)
        done = server.ctl("greet", "there")
        lines = sorted(line for line in done.stdout.splitlines() if "hello" in line)
        check("ruling 26: a command runs in every worker", lines == ["worker 0: hello\tthere", "worker 1: hello\tthere"], str(lines))
        check("long lines come whole", done.stdout.count("x") == 200000, str(done.stdout.count("x")))
        check("the exit status is the highest", done.returncode == 3, str(done.returncode))
        done = server.ctl("--worker", "1", "greet", "you")
        check("ruling 26: or in one", done.stdout.startswith("hello\tyou\n") and done.returncode == 3, done.stdout[:80] + done.stderr)
        check("which must be there", server.ctl("--worker", "2", "greet").returncode == 2)
        check("an unknown command is one", server.ctl("nothing").returncode == 2)
        check("words that are too many are refused", "too long" in server.ctl("greet", *["y" * 1000] * 40).stderr)
        status = server.ctl("status").stdout
        check("status names master and workers", f"pid {server.pid}\n" in status and status.count("state serving") == 3, status)
        check("help lists them all", all(word in server.ctl("help").stdout for word in ("reload", "greet", "wait")))
        server.write("a.lua", SCRIPT % 2)
        check("reload ends when the new scripts serve", server.ctl("reload").returncode == 0)
        with server.connect() as s:
            check("and they do", ask(s)[1] == b"hello 2")
        server.write("a.lua", "nonsense here")
        check("or with an error", server.ctl("reload").returncode == 1)
        waiting = subprocess.Popen([HTTPSRV, "ctl", "--control", os.path.join(work, "control"), "wait"], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        time.sleep(0.3)
        os.kill(server.workers()[0], signal.SIGKILL)
        time.sleep(0.3)
        check("a worker that dies leaves the others' share", waiting.poll() is None)
        check("stop stops", server.ctl("stop").returncode == 0 and server.process.wait(timeout=60) == 0)
        check("and whoever waits is told", waiting.wait(timeout=30) == 1)
        check("the socket is gone", not os.path.exists(os.path.join(work, "control")))


def test_digest():
    def sha256(text):
        return hashlib.sha256(text.encode()).hexdigest()

    def who(authorization=""):
        with server.connect() as s:
            s.sendall(f"GET /who HTTP/1.1\r\nHost: x\r\n{authorization}Connection: close\r\n\r\n".encode())
            data = b""
            while piece := s.recv(65536):
                data += piece
        return data.decode()

    with serving_workers() as server:
        nonce = who().split('nonce="')[1].split('"')[0]
        good = 0
        for count in range(1, 41):
            nc = f"{count:08x}"
            response = sha256(":".join([sha256("ann:r:secret"), nonce, nc, "c", "auth", sha256("GET:/who")]))
            good += who(f'Authorization: Digest username="ann", realm="r", nonce="{nonce}", uri="/who", algorithm=SHA-256, qop=auth, '
                        f'nc={nc}, cnonce="c", response="{response}"\r\n').endswith("ann")
        check("any worker takes a nonce that another has given", good == 40, f"{good} of 40")


def test_a_dead_master():
    with place() as work:
        server = Workers(work)
        workers = server.workers()
        server.process.kill()
        server.process.wait()
        check("ruling 22: workers end when the master is gone", wait_until(lambda: not any(os.path.exists(f"/proc/{p}") for p in workers), 10))


def test_a_broken_start():
    with place() as work:
        with open(os.path.join(work, "a.lua"), "w") as f:
            f.write("nonsense here")
        done = subprocess.run([HTTPSRV, "serve", "a.lua", "--workers", "2", "--listen", "127.0.0.1:0"], cwd=work, capture_output=True,
                              text=True, timeout=30)
        check("a script that does not load ends the start, with its error once", done.returncode == 1 and done.stderr.count("a.lua:1:") == 1,
              done.stderr.strip())


run_tests(globals())

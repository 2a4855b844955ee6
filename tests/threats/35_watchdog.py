#!/usr/bin/env python3
"""35_watchdog.py - event loops that stand still, one way after the other: the log says what they run, with the lines of the script, and for which request;
the worker is ended and replaced, and the other one answers meanwhile. By itself, with --workers 0, a server only says it, and goes on.
timeout: 250
"""
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

HTTPSRV = os.path.abspath(os.environ.get("HTTPSRV") or "build/release/httpsrv")

SCRIPT = """
local httpsrv = require "httpsrv"
local function compiled() while true do end end -- line 3
local function counting() local n = 0 while n >= 0 do n = n + 1 end end -- line 4
local function interpreted() while true do end end -- line 5
jit.off(interpreted)
local function deep(n) if n == 0 then compiled() end deep(n - 1) return n end -- line 7
httpsrv.register("GET", "/compiled", function() compiled() end)
httpsrv.register("GET", "/counting", function() counting() end)
httpsrv.register("GET", "/interpreted", function() interpreted() end)
httpsrv.register("GET", "/deep", function() deep(5) end)
httpsrv.register("GET", "/waited", function() httpsrv.sleep(0.05) compiled() end)
httpsrv.register("GET", "/execute", function() os.execute("sleep 8") end)
httpsrv.register("GET", "/pattern", function() return (("a"):rep(5000)):find((".-"):rep(6) .. "b") end)
httpsrv.register("GET", "/short", function(sess) os.execute("sleep 2") sess:response_append("went on") end)
httpsrv.register("GET", "/hello", function(sess) sess:response_append("hello") end)
httpsrv.register("GET", "/old", function(sess)
  sess:response_flush()
  httpsrv.sleep(2)
  compiled()
end)
"""
# the kind of stall, and what the log has to say of it
KINDS = [
    ("/compiled", [r"a handler of GET /compiled \(registered at .*a\.lua:8\)", r"a\.lua:3: in compiled"]),
    ("/counting", [r"a handler of GET /counting \(registered at .*a\.lua:9\)", r"a\.lua:4: in counting"]),
    ("/interpreted", [r"a handler of GET /interpreted \(registered at .*a\.lua:10\)", r"a\.lua:5: in interpreted"]),
    ("/deep", [r"GET /deep \(registered at .*a\.lua:11\)", r"a\.lua:3: in compiled", r"a\.lua:7: in deep"]),
    ("/waited", [r"GET /waited \(registered at .*a\.lua:12\)", r"a\.lua:3: in compiled"]),
    ("/execute", [r"a handler of GET /execute \(registered at .*a\.lua:13\); the stack of its C code", r"libc\.so"]),
    ("/pattern", [r"a handler of GET /pattern \(registered at .*a\.lua:14\); the stack of its C code", r"luajit"]),
]
count = 0
failures = 0


def check(name, ok, note=""):
    global count, failures
    count += 1
    failures += not ok
    print(f"{'ok' if ok else 'not ok'} {count} - threat 35: {name}" + ("" if ok else f" # {str(note)[-1500:]!r}"), flush=True)


def wait_for(what, seconds=60):
    end = time.monotonic() + seconds
    while not what() and time.monotonic() < end:
        time.sleep(0.01)
    return what()


class Server:
    def __init__(self, work, *options):
        self.work = work
        os.makedirs(work + "/app")
        with open(work + "/app/a.lua", "w") as f:
            f.write(SCRIPT)
        with open(work + "/log", "w") as log:
            self.process = subprocess.Popen([HTTPSRV, "serve", work + "/app", "--listen", "127.0.0.1:0", "--watchdog", "1s", *options], stderr=log,
                                            stdout=log)
        if not wait_for(lambda: " serves " + work in self.log()):
            raise SystemExit(self.log())
        self.port = int(self.log().split("http://127.0.0.1:")[1].split("/")[0])

    def log(self):
        with open(self.work + "/log") as f:
            return f.read()

    def ask(self, path):
        s = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        s.sendall(f"GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
        return s

    def get(self, path):
        data = b""
        with self.ask(path) as s:
            while piece := s.recv(65536):
                data += piece
        return data.decode()

    def workers(self):
        pid = self.process.pid
        with open(f"/proc/{pid}/task/{pid}/children") as f:
            return [int(p) for p in f.read().split()]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


def said(text, patterns):
    return all(re.search(p, text) for p in patterns)


def with_workers():
    with tempfile.TemporaryDirectory(prefix="httpsrv-") as work:
        server = Server(work, "--workers", "2")
        for path, expected in KINDS + [("/old", [r"a handler of GET /old \(registered at .*a\.lua:\d+\)"])]:
            mark = len(server.log())
            before = set(server.workers())
            stalled = server.ask(path)
            if path == "/old":  # it comes to stand when its generation is not the current one any more
                stalled.recv(1000)
                server.process.send_signal(signal.SIGHUP)
                wait_for(lambda: "reloaded" in server.log()[mark:])
            answered, wrong = [0], []
            stop = threading.Event()

            def others():
                while not stop.is_set():
                    try:
                        got = server.get("/hello")
                    except OSError as e:
                        got = repr(e)
                    if got.endswith("\r\n\r\nhello"):
                        answered[0] += 1
                    else:
                        wrong.append(got)
                    time.sleep(0.01)

            thread = threading.Thread(target=others)
            thread.start()
            wait_for(lambda: "it is killed" in server.log()[mark:])
            wait_for(lambda: len(set(server.workers()) - before) == 1 and "serves" in server.log()[mark:].split("it is killed")[-1])
            stop.set()
            thread.join()
            stalled.close()
            text = server.log()[mark:]
            report = text.split("it is killed")[0]
            check(f"{path}: the log says what it runs", said(report, expected), text)
            check(f"{path}: the worker is replaced", len(server.workers()) == 2 and len(set(server.workers()) - before) == 1, text)
            check(f"{path}: nobody else notices", answered[0] > 10 and len(wrong) <= 1, f"{answered[0]} {wrong}")
            wait_for(lambda: server.get("/hello").endswith("hello"))
        check("no more is said than that", "Sanitizer" not in server.log() and "SIGPROF" not in server.log(), server.log())
        check("the server stops", server.stop() == 0)


def alone():
    with tempfile.TemporaryDirectory(prefix="httpsrv-") as work:
        server = Server(work, "--workers", "0")
        got = server.get("/short")
        check("--workers 0: what stalls for a while is finished", got.endswith("went on"), got)
        wait_for(lambda: "comes round again" in server.log())
        check("and is told", said(server.log(), [r"a handler of GET /short \(registered at .*a\.lua:15\)", "comes round again"]), server.log())
        check("once", server.log().count("has stood still") == 1, server.log())
        server.stop()


with_workers()
alone()
print(f"1..{count}")
sys.exit(failures != 0)

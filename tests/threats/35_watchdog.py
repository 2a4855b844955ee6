#!/usr/bin/env python3
"""35_watchdog.py - event loops that stand still, one way after the other: the log says what they run, with the lines of the script, and for which request;
the worker is ended and replaced, and the other one answers meanwhile. By itself, with --workers 0, a server only says it, and goes on.
"""
import os
import re
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from serving import Server, checks_of, finish, place, request, wait_until  # noqa: E402

check = checks_of("threat 35", 1500)
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
httpsrv.register("GET", "/later", function() httpsrv.sleep(2) compiled() end)
httpsrv.register("GET", "/eat", function() local t = {} for i = 1, math.huge do t[i] = { i } end end)
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


class Stalling(Server):
    timeout = 30

    def __init__(self, work, workers, *options):
        super().__init__(work, "--watchdog", "1s", *options, script=SCRIPT, workers=workers)

    def begin(self, path):
        s = self.connect()
        s.sendall(request(path, "Connection: close\r\n"))
        return s

    def get(self, path):
        data = b""
        with self.begin(path) as s:
            while piece := s.recv(65536):
                data += piece
        return data.decode()


def said(text, patterns):
    return all(re.search(p, text) for p in patterns)


def with_workers():
    with place() as work:
        server = Stalling(work, 2)
        for path, expected in KINDS + [("/old", [r"a handler of GET /old \(registered at .*a\.lua:\d+\)"])]:
            mark = len(server.log())
            before = set(server.workers())
            stalled = server.begin(path)
            if path == "/old":  # it comes to stand when its generation is not the current one any more
                stalled.recv(1000)
                server.process.send_signal(signal.SIGHUP)
                wait_until(lambda: "reloaded" in server.log()[mark:], 60)
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
            wait_until(lambda: "it is killed" in server.log()[mark:], 60)
            wait_until(lambda: len(set(server.workers()) - before) == 1 and "serves" in server.log()[mark:].split("it is killed")[-1], 60)
            stop.set()
            thread.join()
            stalled.close()
            text = server.log()[mark:]
            report = text.split("it is killed")[0]
            check(f"{path}: the log says what it runs", said(report, expected), text)
            check(f"{path}: the worker is replaced", len(server.workers()) == 2 and len(set(server.workers()) - before) == 1, text)
            check(f"{path}: nobody else notices", answered[0] > 10 and len(wrong) <= 1, f"{answered[0]} {wrong}")
            wait_until(lambda: server.get("/hello").endswith("hello"), 60)
        check("no more is said than that", "Sanitizer" not in server.log() and "SIGPROF" not in server.log(), server.log())
        check("the server stops", server.stop() == 0)


def while_it_leaves():
    """A worker that has been replaced, and finishes what it has, is watched as any."""
    with place() as work:
        server = Stalling(work, 1, "--memory-limit", "48M", "--drain-timeout", "60s")
        leaver = server.workers()[0]
        stalled = server.begin("/later")
        got = server.get("/eat")
        check("one whose memory is used up leaves", " 500 " in got and wait_until(lambda: "another takes its place" in server.log()), server.log())
        check("and comes to a stand: it is killed", wait_until(lambda: leaver not in server.workers(), 30), server.log())
        check("the log says what it ran, and why", said(server.log(), [rf"a handler of GET /later \(registered at .*a\.lua:\d+\)", r"a\.lua:3: in compiled",
              rf"process {leaver}, which was worker 0, has not come round its loop for [0-9.]+ s: it is killed"]), server.log())
        check("only it", server.log().count("it is killed") == 1 and server.get("/hello").endswith("hello"), server.log())
        stalled.close()
        check("the server stops", server.stop() == 0)


def alone():
    with place() as work:
        server = Stalling(work, 0)
        got = server.get("/short")
        check("--workers 0: what stalls for a while is finished", got.endswith("went on"), got)
        wait_until(lambda: "comes round again" in server.log(), 60)
        check("and is told", said(server.log(), [r"a handler of GET /short \(registered at .*a\.lua:15\)", "comes round again"]), server.log())
        check("once", server.log().count("has stood still") == 1, server.log())
        server.stop()


with_workers()
while_it_leaves()
alone()
finish()

#!/usr/bin/env python3
"""36_memory.py - scripts that eat memory, again and again, under load: their requests fail, no other does; the worker finishes what it has while another
takes its place, and no connection that is kept is closed before it has been answered. By itself, with --workers 0, a server loads its scripts anew.
"""
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from load import Clients, tcp  # noqa: E402
from serving import Server, ask, checks_of, finish, place, read_answer, request, wait_until  # noqa: E402

check = checks_of("threat 36")
LIMIT = 48  # MiB
ROUNDS = 6

SCRIPT = """
local httpsrv = require "httpsrv"
httpsrv.register("GET", "/hello", function(sess) sess:response_append("hello") end)
httpsrv.register("GET", "/slow", function(sess) httpsrv.sleep(1) sess:response_append("slow") end)
local ways = {
  tables = function(i) return { i } end,
  strings = function(i) return "some text of some length" .. i end,
  rep = function(i) return ("x"):rep(1e6 + i) end,
  coroutines = function() return coroutine.create(function() end) end,
  cdata = function() return require("ffi").new("char[?]", 100000) end,
}
for name, way in pairs(ways) do
  httpsrv.register("GET", "/eat/" .. name, function()
    local t = {}
    for i = 1, math.huge do t[i] = way(i) end
  end)
end
httpsrv.register("GET", "/pid", function(sess)
  sess:response_append(httpsrv.io.open("/proc/self/stat"):read("*l"):match("^%d+"))
end)
httpsrv.register("GET", "/live", function(sess) sess:response_append(tostring(httpsrv.live().states)) end)
"""
WAYS = ["tables", "strings", "rep", "coroutines", "cdata"]


class Eating(Server):
    timeout = 60

    def __init__(self, work, workers, *options):
        super().__init__(work, "--memory-limit", f"{LIMIT}M", "--max-requests", "1000000", *options, script=SCRIPT, workers=workers)

    def get(self, path):
        with self.connect() as s:
            return get(s, path)

    def clients(self, kept, new):
        return Clients(tcp(self.ports()[0], self.timeout), kept, new, pause=0.001, body=b"hello")


def get(s, path):
    """Status, whether the connection stays, content; None when it was closed."""
    try:
        got = ask(s, path)
    except OSError:
        return None
    return got and (int(got[0].split()[1]), b"\r\nconnection: close" not in got[0].lower(), got[1].decode())


def with_workers():
    with place() as work:
        server = Eating(work, 2, "--drain-timeout", "3")
        first = set(server.workers())
        load = [server.clients(*numbers) for numbers in ((1, 0), (1, 0), (1, 0), (0, 1))]
        for clients in load:
            clients.__enter__()
        seen = set(first)
        for i in range(ROUNDS):
            slow = server.connect()
            slow.sendall(request("/slow"))
            got = server.get("/eat/" + WAYS[i % len(WAYS)])
            check(f"{WAYS[i % len(WAYS)]}: the request fails with 500", got is not None and got[0] == 500, got)
            answer = read_answer(slow)
            check("what runs beside it is finished", answer is not None and answer[0].startswith(b"HTTP/1.1 200 "), answer)

            def replaced():  # twice the same: the list is not read at one moment
                now = set(server.workers())
                return now if len(now) == 2 and not now <= seen and now == set(server.workers()) else None

            now = wait_until(replaced, 60)
            check("the worker is replaced", now, f"{server.workers()} {seen}")
            seen |= now or set()
        for clients in load:
            clients.stop.set()
        for clients in load:
            clients.__exit__()
        check("no other request fails, no connection is refused", sum(clients.failures() for clients in load) == 0, [str(clients) for clients in load])
        check("and there were some", all(clients.answered > 20 for clients in load), [clients.answered for clients in load])
        text = server.log()
        check("the log tells the error with its place", text.count("not enough memory") >= ROUNDS and "a.lua:" in text, text)
        check("workers leave in good order", "died" not in text and "killed" not in text and "Sanitizer" not in text, text)
        server.process.send_signal(signal.SIGTERM)
        check("the server stops", server.process.wait(60) == 0)


def at_once():
    # Whatever a worker does, it has used up its memory as soon as it serves: not without end, and meanwhile others are answered.
    with place() as work:
        server = Eating(work, 1)
        server.write("b.lua", """local httpsrv = require "httpsrv"
httpsrv.timer.after(0.01, function() local t = {} for i = 1, math.huge do t[i] = ("x"):rep(1e6 + i) end end)""")
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "another takes its place" in server.log(), 60)
        got = []
        end = time.monotonic() + 4
        while time.monotonic() < end:
            got.append(server.get("/hello"))
            time.sleep(0.05)
        text = server.log()
        check("worn out at once: others are answered", all(g is not None and g[0] == 200 for g in got), got)
        check("workers are not replaced without end", 1 < text.count("another takes its place") < 6, text)
        server.process.send_signal(signal.SIGTERM)
        check("the server stops", server.process.wait(60) == 0)


def alone():
    with place() as work:
        server = Eating(work, 0)
        kept = server.connect()
        states = get(kept, "/live")[2]
        for way in WAYS:
            got = server.get("/eat/" + way)
            check(f"one process, {way}: the request fails with 500", got is not None and got[0] == 500, got)
            got = get(kept, "/hello")
            check("a kept connection goes on", got is not None and got[:2] == (200, True), got)
        check("the scripts are loaded anew", wait_until(lambda: "reloaded: generation 2" in server.log(), 60), server.log())
        check("the former state is closed", wait_until(lambda: get(kept, "/live")[2] == states, 60), get(kept, "/live"))
        with open(f"/proc/{server.pid}/statm") as f:
            resident = int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20
        check("memory stays below the limit", resident < 3 * LIMIT, resident)
        server.process.send_signal(signal.SIGTERM)
        server.process.send_signal(signal.SIGTERM)
        check("the server stops", server.process.wait(60) == 0)


with_workers()
at_once()
alone()
finish()

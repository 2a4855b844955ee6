#!/usr/bin/env python3
"""36_memory.py - scripts that eat memory, again and again, under load: their requests fail, no other does; the worker finishes what it has while another
takes its place, and no connection that is kept is closed before it has been answered. By itself, with --workers 0, a server loads its scripts anew.
timeout: 200
"""
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

HTTPSRV = os.path.abspath(os.environ.get("HTTPSRV") or "build/release/httpsrv")
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
count = 0
failures = 0


def check(name, ok, note=""):
    global count, failures
    count += 1
    failures += not ok
    print(f"{'ok' if ok else 'not ok'} {count} - threat 36: {name}" + ("" if ok else f" # {str(note)[:500]!r}"), flush=True)


class Connection:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.file = self.socket.makefile("rb")

    def get(self, path):
        """Status, whether it stays, content; None when it was closed."""
        try:
            self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
            status = self.file.readline()
            if not status:
                return None
            length, stays = 0, True
            while (line := self.file.readline().lower()) not in (b"\r\n", b""):
                length = int(line[15:]) if line.startswith(b"content-length:") else length
                stays = stays and line != b"connection: close\r\n"
            return int(status.split()[1]), stays, self.file.read(length).decode()
        except OSError:
            return None


class Load(threading.Thread):
    def __init__(self, port, keep):
        super().__init__(daemon=True)
        self.port, self.keep = port, keep
        self.stop, self.answered, self.wrong, self.closed = False, 0, [], 0

    def run(self):
        connection = None
        while not self.stop:
            try:
                connection = connection or Connection(self.port)
            except OSError as e:
                self.wrong.append(repr(e))
                continue
            got = connection.get("/hello")
            if got is None or got[0] != 200 or got[2] != "hello":
                self.wrong.append(got)
                connection = None
                continue
            self.answered += 1
            self.closed += not got[1]
            if not got[1] or not self.keep:
                connection.socket.close()
                connection = None
            time.sleep(0.001)


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        return [int(p) for p in f.read().split()]


def log_of(work):
    with open(work + "/log") as f:
        return f.read()


def wait_for(what, seconds=60):
    end = time.monotonic() + seconds
    while not what() and time.monotonic() < end:
        time.sleep(0.01)
    return what()


def start(work, *options):
    os.makedirs(work + "/app")
    with open(work + "/app/a.lua", "w") as f:
        f.write(SCRIPT)
    with open(work + "/log", "w") as log:
        process = subprocess.Popen([HTTPSRV, "serve", work + "/app", "--listen", "127.0.0.1:0", "--memory-limit", f"{LIMIT}M", "--max-requests", "1000000",
                                    *options], stderr=log, stdout=log)
    if not wait_for(lambda: " serves " + work in log_of(work)):
        raise SystemExit(log_of(work))
    return process, int(log_of(work).split("http://127.0.0.1:")[1].split("/")[0])


def with_workers():
    with tempfile.TemporaryDirectory(prefix="httpsrv-") as work:
        process, port = start(work, "--workers", "2", "--drain-timeout", "3")
        first = set(children(process.pid))
        load = [Load(port, keep) for keep in (True, True, True, False)]
        for t in load:
            t.start()
        seen = set(first)
        for i in range(ROUNDS):
            slow = Connection(port)
            slow.socket.sendall(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
            got = Connection(port).get("/eat/" + WAYS[i % len(WAYS)])
            check(f"{WAYS[i % len(WAYS)]}: the request fails with 500", got is not None and got[0] == 500, got)
            answer = slow.file.readline()
            check("what runs beside it is finished", answer.startswith(b"HTTP/1.1 200 "), answer)

            def replaced():  # twice the same: the list is not read at one moment
                now = set(children(process.pid))
                return now if len(now) == 2 and not now <= seen and now == set(children(process.pid)) else None

            now = wait_for(replaced, 60)
            check("the worker is replaced", now, f"{children(process.pid)} {seen}")
            seen |= now or set()
        for t in load:
            t.stop = True
        for t in load:
            t.join(60)
        wrong = [w for t in load for w in t.wrong]
        check("no other request fails, no connection is refused", not wrong, wrong)
        check("and there were some", all(t.answered > 20 for t in load), [t.answered for t in load])
        text = log_of(work)
        check("the log tells the error with its place", text.count("not enough memory") >= ROUNDS and "a.lua:" in text, text)
        check("workers leave in good order", "died" not in text and "killed" not in text and "Sanitizer" not in text, text)
        process.send_signal(signal.SIGTERM)
        check("the server stops", process.wait(60) == 0)


def at_once():
    # Whatever a worker does, it has used up its memory as soon as it serves: not without end, and meanwhile others are answered.
    with tempfile.TemporaryDirectory(prefix="httpsrv-") as work:
        process, port = start(work, "--workers", "1")
        with open(work + "/app/b.lua", "w") as f:
            f.write("""local httpsrv = require "httpsrv"
httpsrv.timer.after(0.01, function() local t = {} for i = 1, math.huge do t[i] = ("x"):rep(1e6 + i) end end)""")
        process.send_signal(signal.SIGHUP)
        wait_for(lambda: "another takes its place" in log_of(work))
        got = []
        end = time.monotonic() + 4
        while time.monotonic() < end:
            got.append(Connection(port).get("/hello"))
            time.sleep(0.05)
        text = log_of(work)
        check("worn out at once: others are answered", all(g is not None and g[0] == 200 for g in got), got)
        check("workers are not replaced without end", 1 < text.count("another takes its place") < 6, text)
        process.send_signal(signal.SIGTERM)
        check("the server stops", process.wait(60) == 0)


def alone():
    with tempfile.TemporaryDirectory(prefix="httpsrv-") as work:
        process, port = start(work, "--workers", "0")
        kept = Connection(port)
        states = kept.get("/live")[2]
        for way in WAYS:
            got = Connection(port).get("/eat/" + way)
            check(f"one process, {way}: the request fails with 500", got is not None and got[0] == 500, got)
            got = kept.get("/hello")
            check("a kept connection goes on", got is not None and got[:2] == (200, True), got)
        check("the scripts are loaded anew", wait_for(lambda: "reloaded: generation 2" in log_of(work)), log_of(work))
        check("the former state is closed", wait_for(lambda: kept.get("/live")[2] == states), kept.get("/live"))
        with open(f"/proc/{process.pid}/statm") as f:
            resident = int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20
        check("memory stays below the limit", resident < 3 * LIMIT, resident)
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGTERM)
        check("the server stops", process.wait(60) == 0)


with_workers()
at_once()
alone()
print(f"1..{count}")
sys.exit(failures != 0)

#!/usr/bin/env python3
"""42_reload.py - reloads ten times a second under load, good and broken scripts alternating: no request fails, no connection is closed, and
what is in flight ends on the handlers that it began on."""
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

HTTPSRV = os.environ.get("HTTPSRV") or "build/release/httpsrv"
ROUNDS = 60
CLIENTS = 4

SCRIPT = """
local httpsrv = require "httpsrv"
httpsrv.register("GET", "/now", function(sess) sess:response_append("%(n)d") end)
httpsrv.register("GET", "/slow", function(sess)
  sess:response_io(httpsrv.io.generator(function(write)
    for _ = 1, 5 do write("%(n)d;") httpsrv.sleep(0.05) end
  end))
end)
httpsrv.on_unload(function() httpsrv.sleep(0.01) end)
%(end)s
"""


class Connection:
    """One keep-alive connection; any irregularity raises."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(path)
        self.file = self.socket.makefile("rb")

    def get(self, path):
        self.socket.sendall(b"GET %s HTTP/1.1\r\nHost: h\r\n\r\n" % path)
        status = self.file.readline()
        assert status == b"HTTP/1.1 200 OK\r\n", status
        length, chunked = None, False
        while (line := self.file.readline()) not in (b"\r\n", b""):
            name, _, value = line.lower().partition(b":")
            assert name != b"connection", line
            length = int(value) if name == b"content-length" else length
            chunked = chunked or (name == b"transfer-encoding" and value.strip() == b"chunked")
        assert line == b"\r\n", "the connection was closed in the head"
        if not chunked:
            body = self.file.read(length)
            assert len(body) == length, "the connection was closed in the body"
            return body
        body = b""
        while (size := int(self.file.readline(), 16)) != 0:
            body += self.file.read(size)
            assert self.file.read(2) == b"\r\n"
        assert self.file.readline() == b"\r\n"
        return body


def use(path, what, stop, seen, errors):
    try:
        connection = Connection(path)
        while not stop.is_set():
            body = connection.get(what)
            parts = body.rstrip(b";").split(b";")
            assert len(parts) == (5 if what == b"/slow" else 1) and len(set(parts)) == 1, body
            seen.append(int(parts[0]))
    except Exception as e:  # pylint: disable=broad-except
        errors.append("%s: %r" % (what.decode(), e))


def write(place, n, broken):
    with open(place + "/new", "w", encoding="ascii") as f:
        f.write(SCRIPT % {"n": n, "end": "error 'on purpose'" if broken else ""})
    os.rename(place + "/new", place + "/a.lua")


def run(place):
    path = place + "/socket"
    write(place, 0, False)
    with open(place + "/log", "wb") as log:
        server = subprocess.Popen([HTTPSRV, "serve", place, "--listen", "unix:" + path, "--max-requests", "100000000"],
                                  stderr=log, stdin=subprocess.DEVNULL)
    try:
        for _ in range(200):
            if os.path.exists(path):
                break
            time.sleep(0.05)
        stop, seen, errors = threading.Event(), [], []
        threads = [threading.Thread(target=use, args=(path, what, stop, seen, errors)) for what in (b"/now", b"/slow") for _ in range(CLIENTS // 2)]
        for t in threads:
            t.start()
        for n in range(1, ROUNDS + 1):
            write(place, n, n % 2 == 0)
            server.send_signal(signal.SIGHUP)
            time.sleep(0.1)
        stop.set()
        for t in threads:
            t.join()
        write(place, ROUNDS + 1, False)
        server.send_signal(signal.SIGHUP)
        connection, deadline = Connection(path), time.monotonic() + 20
        while (last := int(connection.get(b"/now"))) != ROUNDS + 1 and time.monotonic() < deadline:
            time.sleep(0.02)
    finally:
        server.terminate()
        status = server.wait(40)
    with open(place + "/log", encoding="utf-8") as f:
        log = f.read()
    good, bad = log.count("reloaded: generation"), log.count("reload failed")
    checks = [
        ("no request fails and no connection is closed", not errors, errors),
        ("both kinds of reloads have happened", good >= 5 and bad >= 5, "%d good, %d broken" % (good, bad)),
        ("broken scripts never answer", seen and all(n % 2 == 1 or n == 0 for n in seen), sorted(set(seen))),
        ("the handlers of many generations have answered", len(set(seen)) >= 5, sorted(set(seen))),
        ("the last good one is current", last == ROUNDS + 1, last),
        ("the server stops in order", status == 0, status),
    ]
    for i, (name, ok, why) in enumerate(checks):
        print("%sok %d - threat 42: %s" % ("" if ok else "not ", i + 1, name))
        if not ok:
            print("# %s" % (why,))
    print("1..%d" % len(checks))
    return all(ok for _, ok, _ in checks)


def main():
    place = tempfile.mkdtemp(prefix="httpsrv-reload-")
    try:
        return 0 if run(place) else 1
    finally:
        shutil.rmtree(place)


sys.exit(main())

#!/usr/bin/env python3
"""42_reload.py - reloads ten times a second under load, good and broken scripts alternating: no request fails, no connection is closed, and
what is in flight ends on the handlers that it began on."""
import os
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from serving import Server, checks_of, finish, place, wait_until  # noqa: E402

check = checks_of("threat 42")
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

    def __init__(self, s):
        self.socket, self.file = s, s.makefile("rb")

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


def use(server, what, stop, seen, errors):
    try:
        connection = Connection(server.connect_unix())
        while not stop.is_set():
            body = connection.get(what)
            parts = body.rstrip(b";").split(b";")
            assert len(parts) == (5 if what == b"/slow" else 1) and len(set(parts)) == 1, body
            seen.append(int(parts[0]))
    except Exception as e:  # pylint: disable=broad-except
        errors.append("%s: %r" % (what.decode(), e))


def script(n):
    return SCRIPT % {"n": n, "end": "error 'on purpose'" if n and n % 2 == 0 else ""}


def reload(server, n):
    server.write("a.lua", script(n))
    server.process.send_signal(signal.SIGHUP)


def main(work):
    server = Server(work, "--max-requests", "100000000", script=script(0), workers="auto", listen=("unix:{work}/socket",))
    try:
        stop, seen, errors = threading.Event(), [], []
        threads = [threading.Thread(target=use, args=(server, what, stop, seen, errors)) for what in (b"/now", b"/slow") for _ in range(CLIENTS // 2)]
        for t in threads:
            t.start()
        for n in range(1, ROUNDS + 1):
            reload(server, n)
            time.sleep(0.1)
        stop.set()
        for t in threads:
            t.join()
        reload(server, ROUNDS + 1)
        connection = Connection(server.connect_unix())
        wait_until(lambda: int(connection.get(b"/now")) == ROUNDS + 1, 20, 0.02)
        last = int(connection.get(b"/now"))
    finally:
        server.process.terminate()
        status = server.process.wait(40)
    good, bad = server.log().count("reloaded: generation"), server.log().count("reload failed")
    check("no request fails and no connection is closed", not errors, errors)
    check("both kinds of reloads have happened", good >= 5 and bad >= 5, f"{good} good, {bad} broken")
    check("broken scripts never answer", seen and all(n % 2 == 1 or n == 0 for n in seen), sorted(set(seen)))
    check("the handlers of many generations have answered", len(set(seen)) >= 5, sorted(set(seen)))
    check("the last good one is current", last == ROUNDS + 1, last)
    check("the server stops in order", status == 0, status)
    finish()


with place() as directory:
    main(directory)

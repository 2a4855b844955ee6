#!/usr/bin/env python3
"""20_pipelining.py - a client that sends one request behind the other and reads no answer: the server stops reading it, keeps little, and when the client reads
after all, every answer is there."""
import os
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from serving import ask, check, request, resident, run_tests, serving, wait_until  # noqa: E402

MIB = 1024 * 1024
SCRIPT = """
local httpsrv = require "httpsrv"
local page = ("x"):rep(4096)
httpsrv.register("GET", "/page", function(sess) sess:response_append(page) end)
"""


def test_pipelining():
    with serving("--write-timeout", "120", "--max-requests", "10000000", script=SCRIPT) as server:
        for _ in range(200):  # so that what is made once is there
            with server.connect() as s:
                ask(s, "/page")
        before = resident(server.pid)
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        s.connect(("127.0.0.1", server.ports()[0]))
        s.setblocking(False)
        data, sent, last = request("/page") * 1000, 0, time.monotonic()
        while time.monotonic() - last < 2 and sent < 64 * MIB:
            try:
                n = s.send(data[sent % len(data):])
                sent, last = sent + n, time.monotonic() if n else last
            except BlockingIOError:
                time.sleep(0.01)
        grown = resident(server.pid) - before
        check("threat 20: it stops reading", sent < 64 * MIB, f"{sent} bytes of requests taken")
        check("threat 20: it keeps less than 1 MiB", grown < MIB, f"{grown} bytes")
        with server.connect() as other:
            check("threat 20: others are served", len(ask(other, "/page")[1]) == 4096)
        # the rest of the request that was cut, and all answers
        s.setblocking(True)
        s.settimeout(60)
        size = len(request("/page"))
        number = -(-sent // size)
        feeder = threading.Thread(target=s.sendall, args=(data[sent % size:size] if sent % size else b"",))
        feeder.start()
        answer_size, got, head = None, 0, b""
        while answer_size is None or got < number * answer_size:
            piece = s.recv(MIB)
            if not piece:
                break
            got += len(piece)
            if answer_size is None:
                head += piece
                if b"\r\n\r\n" in head:
                    answer_size = head.index(b"\r\n\r\n") + 4 + 4096
        feeder.join()
        check("threat 20: every request is answered when they are read", answer_size and got == number * answer_size, (got, number, answer_size))
        check("threat 20: and nothing of it is kept", wait_until(lambda: resident(server.pid) - before < MIB))
        s.close()


run_tests(globals())

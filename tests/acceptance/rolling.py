#!/usr/bin/env python3
"""rolling.py - three instances behind a real HAProxy, with the configuration of examples/deploy, restarted one after the other under load: no request fails."""
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "support"), os.path.join(HERE, "..", "bench")]
from benchlib import env  # noqa: E402
from load import Clients, tcp  # noqa: E402
from serving import ROOT, Server, ask, check, finish, place, wait_until  # noqa: E402

SCRIPT = """
local httpsrv = require "httpsrv"
httpsrv.register("GET", "/hello", function(sess) sess:response_append("hello") end)
httpsrv.register("GET", "/who", function(sess) sess:response_append(sess:request_peer_address().ip) end)
httpsrv.register("GET", "/instance", function(sess) sess:response_append("%d") end)
httpsrv.register("GET", "/slow", function(sess) httpsrv.sleep(0.3) sess:response_append("slow") end)
"""


def haproxy():
    """The program and its environment: the system's, or unpacked below build/ without being installed."""
    for path in (shutil.which("haproxy"), "/usr/sbin/haproxy"):
        if path and os.path.exists(path):
            return path, {}
    root = env.unpack("haproxy")
    return str(root / "usr/sbin/haproxy"), env.library_environment(root)


def free_ports(n):
    sockets = [socket.socket() for _ in range(n)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def configuration(work, front, ports, admins):
    """That of examples/deploy, with the addresses of this test."""
    with open(os.path.join(ROOT, "examples", "deploy", "haproxy.cfg"), encoding="utf-8") as f:
        text = f.read()
    text, n = re.subn(r"bind 0\.0\.0\.0:80\b", f"bind 127.0.0.1:{front}", text)
    for i, (port, admin) in enumerate(zip(ports, admins)):
        text, k = re.subn(rf"(server web{i + 1}) \S+", rf"\1 127.0.0.1:{port} port {admin}", text)
        n += k
    path = os.path.join(work, "haproxy.cfg")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path, n == 1 + len(ports)


def instance(work, number, port, admin):
    directory = os.path.join(work, str(number))
    os.makedirs(directory, exist_ok=True)
    return Server(directory, "--trusted", "127.0.0.1", "--drain-timeout", "4", "--admin", f"127.0.0.1:{admin}", script=SCRIPT % number, workers=1, listen=(f"127.0.0.1:{port},proxy",))


def main():
    program, environment = haproxy()
    with place() as work, contextlib.ExitStack() as stack:
        front, *ports = free_ports(7)
        ports, admins = ports[:3], ports[3:]
        config, complete = configuration(work, front, ports, admins)
        check("the configuration names all instances", complete)
        done = subprocess.run([program, "-c", "-f", config], env={**os.environ, **environment}, capture_output=True, text=True, timeout=60, check=False)
        check("HAProxy takes the configuration", done.returncode == 0 and "WARNING" not in done.stdout + done.stderr.upper(), done.stdout + done.stderr)
        servers = [instance(work, i, ports[i], admins[i]) for i in range(3)]
        stack.callback(lambda: [s.stop() for s in servers])
        proxy = subprocess.Popen([program, "-db", "-f", config], env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        stack.callback(lambda: (proxy.terminate(), proxy.wait(30)))
        connect = tcp(front)

        def up():
            try:
                with connect() as s:
                    return ask(s)[1] == b"hello"
            except (OSError, TypeError):
                return False
        if not check("it answers", wait_until(up)):
            finish()
        with connect() as s:
            check("through the PROXY protocol the client's address arrives", ask(s, "/who")[1] == b"127.0.0.1")
        seen = set()
        for _ in range(12):
            with connect() as s:
                seen.add(ask(s, "/instance")[1])
        check("all instances have their share", seen == {b"0", b"1", b"2"}, seen)
        with Clients(connect, kept=8, new=8, pause=0.02) as fast, Clients(connect, kept=2, new=2, path="/slow") as slow:
            time.sleep(0.5)
            status = []
            for i in range(3):
                servers[i].process.send_signal(signal.SIGTERM)
                status.append(servers[i].process.wait(60))
                servers[i] = instance(work, i, ports[i], admins[i])
                time.sleep(1.5)  # HAProxy sees it again at its next check
        check("all three have ended in order", status == [0, 0, 0], status)
        check("rolling restart: no request fails", fast.failures() == 0 and fast.answered > 500, str(fast))
        check("rolling restart: nor one that takes its time", slow.failures() == 0 and slow.answered > 20, str(slow))
        seen = set()
        for _ in range(12):
            with connect() as s:
                seen.add(ask(s, "/instance")[1])
        check("all instances have their share again", wait_until(lambda: len(seen) == 3, 1) or seen, seen)
    finish()


main()

#!/usr/bin/env python3
"""listeners.py - what may be said of a listener, as clients meet it: PROXY headers, who may connect, how many may, unix sockets and their modes."""
import os
import socket
import stat
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from serving import HTTPSRV, Server, ask, check, cpu_seconds, place, read_answer, request, run_tests, serving, wait_until  # noqa: E402

WHO = """
local httpsrv = require "httpsrv"
local function text(a) return a and ("%s %s %s"):format(a.family, a.ip or a.path or "", a.port or "") or "none" end
httpsrv.register("GET", "/who", function(sess)
  sess:response_append(text(sess:request_peer_address()) .. " to " .. text(sess:request_local_address()))
end)
httpsrv.register("GET", "/hello", function(sess) sess:response_append("hello") end)
"""
LINE = b"PROXY TCP4 10.1.2.3 192.0.2.1 12345 80\r\n"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LOCAL = SIGNATURE + b"\x20\0\0\0"
BINARY = SIGNATURE + b"\x21\x21" + struct.pack(">H", 36 + 7) + socket.inet_pton(socket.AF_INET6, "2001:db8::1") + \
    socket.inet_pton(socket.AF_INET6, "2001:db8::2") + struct.pack(">HH", 4000, 443) + b"\x04\0\4abcd"


def end_of(s):
    """What a connection says until it ends."""
    data = b""
    try:
        while piece := s.recv(4096):
            data += piece
    except ConnectionResetError:
        pass
    return data


def test_proxy_headers():
    with serving("--trusted", "127.0.0.0/8", "--head-timeout", "2", script=WHO, listen=("127.0.0.1:0,proxy", "127.0.0.1:0", "unix:{work}/socket,proxy")) as server:
        proxied, plain = server.ports()
        for name, header, expected in [("version 1", LINE, b"inet 10.1.2.3 12345 to inet 192.0.2.1 80"),
                                       ("version 2, with more behind the addresses", BINARY, b"inet6 2001:db8::1 4000 to inet6 2001:db8::2 443")]:
            with server.connect(proxied) as s:
                s.sendall(header + request("/who"))
                got = read_answer(s)
                check(f"PROXY {name}: the client's address", got is not None and got[1] == expected, got)
                got = ask(s, "/who")
                check(f"PROXY {name}: at later requests too", got is not None and got[1] == expected, got)
            with server.connect_unix() as s:
                s.sendall(header + request("/who"))
                check(f"PROXY {name}: through a unix socket", read_answer(s)[1] == expected)
            with server.connect(proxied) as s:
                for i in range(len(header)):
                    s.sendall(header[i:i + 1])
                check(f"PROXY {name}: byte by byte", ask(s, "/who")[1] == expected)
        for name, header in [("UNKNOWN", b"PROXY UNKNOWN\r\n"), ("LOCAL", LOCAL)]:
            with server.connect(proxied) as s:
                s.sendall(header)
                check(f"PROXY {name}: the connection's own addresses", ask(s, "/who")[1].startswith(b"inet 127.0.0.1 "))
        for name, data in [("a request without a header", request()), ("a bad header", b"PROXY TCP4 1.2.3.4\r\n" + request()),
                           ("a header of another version", SIGNATURE + b"\x11\x11\0\0")]:
            with server.connect(proxied) as s:
                s.sendall(data)
                check(f"{name} is closed without an answer", end_of(s) == b"")
        with server.connect(plain) as s:
            s.sendall(LINE + request())
            check("where no header is expected it is no request", end_of(s).startswith(b"HTTP/1.1 400 "))
        with server.connect(proxied) as s:
            s.sendall(LINE[:20])
            started = time.monotonic()
            check("threat 17: half a header is waited for no longer than for a head", end_of(s) == b"" and time.monotonic() - started > 1)
        with server.connect(proxied) as s:
            s.sendall(LINE)
            check("threat 17: a silent connection behind a header is closed too", end_of(s) == b"")


def test_only_trusted_proxies():
    with serving("--trusted", "192.0.2.0/24", script=WHO, listen=("127.0.0.1:0,proxy",)) as server:
        with server.connect() as s:
            s.sendall(LINE + request())
            check("a header of somebody who is not trusted is not believed: closed", end_of(s) == b"")
        check("and told", "none of the trusted" in server.log())
    with place() as work:
        server = Server(work, listen=("127.0.0.1:0,proxy",), wait=False)
        check("a listener that trusts nobody is refused", server.process.wait(30) != 0 and "no proxy is trusted" in server.log(), server.log())


def test_allow_and_deny():
    with serving("--trusted", "127.0.0.1", "--deny", "10.66.0.0/16", script=WHO,
                 listen=("127.0.0.1:0,deny=127.0.0.0/8", "127.0.0.1:0,allow=10.0.0.0/8", "127.0.0.1:0,allow=127.0.0.1", "127.0.0.1:0,proxy,allow=10.0.0.0/8",
                         "127.0.0.1:0,proxy,allow=127.0.0.1")) as server:
        denied, other, allowed, proxied, checked = server.ports()
        for name, port, ok in [("deny closes", denied, False), ("allow of others closes", other, False), ("allow lets in", allowed, True)]:
            with server.connect(port) as s:
                s.sendall(request())
                check(name, (end_of(s) == b"") if not ok else read_answer(s)[1] == b"hello")
        for address, ok in [("10.1.2.3", True), ("10.66.1.1", False), ("192.0.2.1", False)]:
            with server.connect(proxied) as s:
                s.sendall(b"PROXY TCP4 %s 192.0.2.1 1 80\r\n" % address.encode() + request())
                check(f"they see the address of the header: {address}", (end_of(s) == b"") if not ok else read_answer(s)[1] == b"hello")
        for name, port, header, ok in [("a proxy that speaks for itself is judged by its own address", proxied, LOCAL, False),
                                       ("which may be allowed", checked, LOCAL, True),
                                       ("a client whom the proxy cannot name is not the proxy", checked, b"PROXY UNKNOWN\r\n", False)]:
            with server.connect(port) as s:
                s.sendall(header + request())
                check(name, (end_of(s) == b"") if not ok else read_answer(s)[1] == b"hello")


def ask_as(user, name):
    """What the server answers who sends a header to an abstract socket and acts for a user."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(20)
        own = os.geteuid()
        os.seteuid(user)
        try:
            s.connect("\0" + name)
        finally:
            os.seteuid(own)
        try:
            s.sendall(LINE + request("/who"))
            return read_answer(s)
        except (ConnectionResetError, BrokenPipeError):
            return None


def test_who_is_a_proxy_at_an_abstract_socket():
    name = f"httpsrv-test-{os.getpid()}"
    with serving(script=WHO, listen=(f"unix:@{name},proxy",)) as server:
        check("an abstract socket: the server's own user is trusted", b"inet 10.1.2.3 12345" in ask_as(os.geteuid(), name)[1])
        if os.geteuid() == 0:
            check("another is closed without an answer", ask_as(65534, name) is None)
            check("and told", "none of the trusted" in server.log())


def test_limits():
    for options, listen in [(("--max-connections", "6"), "127.0.0.1:0"), ((), "127.0.0.1:0,max-connections=6")]:
        with serving(*options, listen=(listen,), workers=2) as server:
            connections = [server.connect() for _ in range(14)]
            for s in connections:
                s.setblocking(False)
                s.sendall(request())
            answered, lost = set(), set()

            def look():
                for i, s in enumerate(connections):
                    try:
                        if i not in answered and s.fileno() >= 0:
                            (answered if s.recv(4096).startswith(b"HTTP/1.1 200 ") else lost).add(i)
                    except BlockingIOError:
                        pass
                    except OSError:
                        lost.add(i)
                return len(answered)
            wait_until(lambda: look() >= 6)
            workers = server.workers()
            before = sum(map(cpu_seconds, workers))
            time.sleep(1)
            check("a limit holds over all workers", look() == 6, len(answered))
            check("those beyond it wait without anybody spinning", sum(map(cpu_seconds, workers)) - before < 0.3)
            for i in sorted(answered)[:4]:
                connections[i].close()
            check("and have their turn when others have ended", wait_until(lambda: look() >= 10), len(answered))
            os.kill(workers[0], 9)
            for i in sorted(answered)[4:8]: # whichever worker had them
                connections[i].close()
            check("also when a worker has died with its connections", wait_until(lambda: look() + len(lost) == len(connections)), (answered, lost))
            for s in connections:
                s.close()


EATER = WHO + """
httpsrv.register("GET", "/eat", function()
  local t = {}
  for i = 1, math.huge do t[i] = ("x"):rep(1e6 + i) end
end)
"""


def served(connections, seconds=1.5):
    """How many of them get an answer."""
    for s in connections:
        s.settimeout(seconds)
        s.sendall(request())
    n = 0
    for s in connections:
        try:
            n += s.recv(4096).startswith(b"HTTP/1.1 200 ")
        except OSError:
            pass
    return n


def test_limits_when_a_worker_is_replaced():
    for victim in ("leaver", "successor"):
        with serving("--memory-limit", "48M", script=EATER, listen=("127.0.0.1:0,max-connections=4,defer=none",), workers=1) as server:
            leaver, = server.workers()
            kept = [server.connect() for _ in range(3)]
            check("those who stay", served(kept, 20) == 3)
            with server.connect() as s:
                ask(s, "/eat")
            check("a worker leaves, another takes its place", wait_until(lambda: "finishes what it has" in server.log() and
                                                                          len(server.workers()) == 2))
            successor, = set(server.workers()) - {leaver}
            with server.connect() as s:
                check("and serves", ask(s)[1] == b"hello")
            os.kill(leaver if victim == "leaver" else successor, 9)
            wait_until(lambda: server.log().count("died of signal") == 1)
            more = [server.connect() for _ in range(6)]
            free = 4 if victim == "leaver" else 1
            check(f"the {victim} dies: its places are free, and no others", wait_until(lambda: served(more[:1], 10) == 1) and 1 + served(more[1:]) == free)
            for s in kept + more:
                s.close()


def test_kinds_of_listeners():
    with serving(listen=("127.0.0.1:0,backlog=16,probe=5", "[::1]:0", "unix:{work}/socket,mode=0660", "unix:@httpsrv-test-%d" % os.getpid()), workers=1,
                 popen={"umask": 0o077}) as server:
        ports = server.ports()
        with server.connect(ports[0]) as s:
            check("IPv4", ask(s)[1] == b"hello")
        with socket.create_connection(("::1", ports[1]), timeout=20) as s:
            check("IPv6", ask(s)[1] == b"hello")
        with server.connect_unix() as s:
            check("unix", ask(s)[1] == b"hello")
        with socket.socket(socket.AF_UNIX) as s:
            s.connect("\0httpsrv-test-%d" % os.getpid())
            check("an abstract name", ask(s)[1] == b"hello")
        check("the mode of a unix socket", stat.S_IMODE(os.stat(server.work + "/socket").st_mode) == 0o660)


def test_both_families():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    with serving(listen=(f"127.0.0.1:{port}", f"[::1]:{port}", f"[::]:0")) as server:
        check("an IPv6 address is only that: the same port twice", server.log().count(f":{port}/") == 2)
        try:
            server.connect(server.ports()[2]).close()
            check("[::] does not take IPv4", False)
        except ConnectionRefusedError:
            check("[::] does not take IPv4", True)


def test_options_in_the_configuration():
    with place() as work:
        os.makedirs(work + "/app")
        with open(work + "/app/config.lua", "w", encoding="ascii") as f:
            f.write(f"return {{ listen = {{ {{ address = 'unix:{work}/socket', mode = '0600', proxy = true }} }}, trusted = '10.0.0.0/8' }}")
        server = Server(work, script=WHO, listen=())
        with server.connect_unix() as s:
            s.sendall(LINE)
            check("options of an address as a table", ask(s, "/who")[1].startswith(b"inet 10.1.2.3 "))
        check("its mode", stat.S_IMODE(os.stat(work + "/socket").st_mode) == 0o600)
        check("the end", server.stop() == 0)
    done = subprocess.run([HTTPSRV, "serve", "/", "--listen", "80,nothing=1"], capture_output=True, text=True, timeout=30, check=False)
    check("an unknown option is named", done.returncode == 2 and "no option 'nothing'" in done.stderr, done.stderr)


run_tests(globals())

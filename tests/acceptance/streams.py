#!/usr/bin/env python3
# streams.py - real input through a real server: large files, uploads and generators at the client's pace, with bounded memory,
# and nothing left over when the client is killed in the middle. Memory is the unique set size (/proc/PID/smaps_rollup).
# timeout: 900
import contextlib
import hashlib
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from serving import HTTPSRV, ROOT, check, failed, finish  # noqa: E402

BUILD = os.environ.get("BUILD", "build")
BIG = 1 << 30
MIB = 1 << 20


def uss(pid):
    """Unique set size in bytes: private pages of the process and its children."""
    total = 0
    pids = [pid]
    while pids:
        p = pids.pop()
        with contextlib.suppress(OSError):
            with open(f"/proc/{p}/smaps_rollup") as f:
                total += sum(int(line.split()[1]) * 1024 for line in f if line.startswith("Private_"))
            with open(f"/proc/{p}/task/{p}/children") as f:
                pids += [int(c) for c in f.read().split()]
    return total


class Peak(threading.Thread):
    """The highest unique set size while the block runs, less that at its start."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.start_uss, self.peak, self.stop = pid, uss(pid), 0, threading.Event()

    def run(self):
        while not self.stop.wait(0.05):
            self.peak = max(self.peak, uss(self.pid))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.join()
        self.grown = max(0, max(self.peak, uss(self.pid)) - self.start_uss)


class Server:
    def __init__(self, work):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.log = open(os.path.join(work, "server.log"), "w")
        env = dict(os.environ, STREAMS_DIR=work, TMPDIR=work)
        script = os.path.join(ROOT, "tests/acceptance/handlers/streams.lua")
        self.process = subprocess.Popen([HTTPSRV, "serve", script, "--workers", "0", "--listen", f"127.0.0.1:{self.port}"],
                                        stdout=self.log, stderr=self.log, env=env, cwd=work)
        self.pid = self.process.pid
        for _ in range(200):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            time.sleep(0.05)
        raise SystemExit("the server did not start: " + open(self.log.name).read())

    def connect(self, request=b"", receive_buffer=None):
        s = socket.socket()
        if receive_buffer:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        s.settimeout(30)
        s.connect(("127.0.0.1", self.port))
        s.sendall(request)
        return s

    def get(self, path):
        with self.connect(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()) as s:
            data = b""
            while piece := s.recv(65536):
                data += piece
        return data.partition(b"\r\n\r\n")[2]

    def live(self):
        return self.get("/live").decode()

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def settles(self, live, descriptors):
        """Counts return to what they were, within five seconds."""
        for _ in range(50):
            now = self.live(), self.descriptors()
            if now == (live, descriptors):
                return True, ""
            time.sleep(0.1)
        return False, f"sessions, ios, tasks, connections {live} -> {now[0]}; descriptors {descriptors} -> {now[1]}"


def curl(*args, **kw):
    return subprocess.Popen(["curl", "-sS", "--max-time", "300", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kw)


def digest(stream, upper=False):
    h = hashlib.sha256()
    n = 0
    while piece := stream.read(MIB):
        n += len(piece)
        h.update(piece.upper() if upper else piece)
    return h.hexdigest(), n


def url(server, path):
    return f"http://127.0.0.1:{server.port}{path}"


def large_file(server, work, want):
    with Peak(server.pid) as peak:
        p = curl(url(server, "/file"))
        got = digest(p.stdout)
        p.wait()
    check("a 1 GiB file arrives whole", got == want, f"grown by {peak.grown / MIB:.1f} MiB")


def two_hundred_readers(server):
    seconds, pace = 8, MIB
    socks = [server.connect(b"GET /file HTTP/1.1\r\nHost: x\r\n\r\n", 256 * 1024) for _ in range(200)]
    got = dict.fromkeys(socks, 0)
    with Peak(server.pid) as peak:
        start = time.monotonic()
        while (now := time.monotonic() - start) < seconds:
            behind = [s for s in socks if got[s] < pace * now]
            for s in select.select(behind, [], [], 0.05)[0] if behind else ():
                got[s] += len(s.recv(65536))
    slowest = min(got.values()) / seconds / MIB
    for s in socks:
        s.close()
    check("200 readers at 1 MiB/s cost less than 32 MiB", peak.grown < 32 * MIB and slowest > 0.5,
          f"{peak.grown / MIB:.1f} MiB, the slowest got {slowest:.2f} MiB/s")


def thousand_who_do_not_read(server):
    socks = []
    with Peak(server.pid) as peak:
        for _ in range(1000):
            socks.append(server.connect(b"GET /file HTTP/1.1\r\nHost: x\r\n\r\n", 4096))
        time.sleep(2)
        alive = server.get("/ping") == b"pong"
    for s in socks:
        s.close()
    check("threat 19: 1,000 clients that do not read a 1 GiB file cost less than 64 MiB", peak.grown < 64 * MIB and alive,
          f"{peak.grown / MIB:.1f} MiB")


def large_upload(server, work):
    want = hashlib.sha256()
    with open(os.path.join(work, "big"), "rb") as f:
        while piece := f.read(MIB):
            want.update(piece.upper())
    with Peak(server.pid) as peak:
        p = curl("-T", os.path.join(work, "big"), "-X", "POST", "-H", "Transfer-Encoding: chunked", "-H", "Expect:", url(server, "/upper"))
        got = digest(p.stdout)
        p.wait()
    check("a 1 GiB chunked upload comes back upper-cased, in less than 16 MiB",
          got == (want.hexdigest(), BIG) and peak.grown < 16 * MIB, f"{got[1]} bytes, grown by {peak.grown / MIB:.1f} MiB")


def refused_upload(server, work):
    seen = 0
    for headers in (["Transfer-Encoding: chunked", "Expect:"], ["Expect:"], ["Transfer-Encoding: chunked"], []):
        p = curl("-T", os.path.join(work, "big"), "-X", "POST", *[a for h in headers for a in ("-H", h)], "-o", "/dev/null", "-w",
                 "%{http_code}", url(server, "/limited"))
        seen += p.communicate()[0] == b"413"
    check("a client sees the 413 to a 1 GiB upload, chunked or not, with and without Expect", seen == 4, f"{seen} of 4")


def early_answers(server, work):
    """Threat 27a: the 413 is seen, a hundred times."""
    small = os.path.join(work, "upload")
    with open(small, "wb") as f:
        f.truncate(200 * MIB)
    seen = 0
    for _ in range(100):
        p = curl("-T", small, "-X", "POST", "-H", "Expect:", "-o", "/dev/null", "-w", "%{http_code}", url(server, "/limited"))
        seen += p.communicate()[0] == b"413"
    check("threat 27a: 413 to a 200 MiB upload is seen by curl 100 of 100", seen == 100, f"{seen}")


def spooled(server, work):
    with Peak(server.pid) as peak:
        p = curl("-T", os.path.join(work, "upload"), "-X", "POST", "-H", "Expect:", url(server, "/spool"))
        got = p.communicate()[0]
    check("threat 23: a body beyond memory is spooled to a file", got == str(200 * MIB).encode() and peak.grown < 16 * MIB,
          f"{got.decode()} bytes, grown by {peak.grown / MIB:.1f} MiB")
    left = [n for n in os.listdir(work) if n.startswith(("httpsrv", "spool"))]
    check("and leaves no file behind", not left, " ".join(left))


def million_lines(server):
    want = hashlib.sha256()
    for i in range(1, 1000001):
        want.update(b"line %d\n" % i)
    with Peak(server.pid) as peak:
        p = curl(url(server, "/lines"))
        got = digest(p.stdout)
        p.wait()
    check("a generator of one million lines", got[0] == want.hexdigest() and peak.grown < 16 * MIB,
          f"{got[1]} bytes, grown by {peak.grown / MIB:.1f} MiB")


def slow_fifo(server, work):
    os.mkfifo(os.path.join(work, "fifo"))
    p = curl("-N", url(server, "/fifo"))
    slowest = 0.0
    for _ in range(5):  # nobody has opened the other end yet
        t = time.monotonic()
        assert server.get("/ping") == b"pong"
        slowest = max(slowest, time.monotonic() - t)
    with open(os.path.join(work, "fifo"), "wb", buffering=0) as w:
        arrived = []
        for i in range(5):
            w.write(b"%d" % i)
            arrived.append(p.stdout.read(1))
            for _ in range(3):
                t = time.monotonic()
                assert server.get("/ping") == b"pong"
                slowest = max(slowest, time.monotonic() - t)
    rest = p.communicate()[0]
    check("a FIFO fed slowly streams byte by byte", b"".join(arrived) + rest == b"01234")
    check("other requests are answered meanwhile", slowest < 5, f"slowest {slowest * 1000:.0f} ms")


def killed_clients(server, work):
    live, descriptors = server.live(), server.descriptors()
    fed = open(os.path.join(work, "fifo"), "r+b", buffering=0)
    descriptors_ok = []
    for name, request in (
            ("a large file", b"GET /file HTTP/1.1\r\nHost: x\r\n\r\n"),
            ("an upload", b"POST /upper HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n10000\r\n" + b"x" * 3000),
            ("a spooled upload", b"POST /spool HTTP/1.1\r\nHost: x\r\nContent-Length: 50000000\r\n\r\n" + b"x" * 3000000),
            ("a limited upload", b"POST /limited HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n" + b"x" * 30000),
            ("a generator", b"GET /lines HTTP/1.1\r\nHost: x\r\n\r\n"),
            ("a FIFO", b"GET /fifo HTTP/1.1\r\nHost: x\r\n\r\n"),
            ("a child's output", b"GET /pieces HTTP/1.1\r\nHost: x\r\n\r\n"),
            ("a sleep", b"GET /sleep HTTP/1.1\r\nHost: x\r\n\r\n")):
        for how in ("FIN", "reset"):
            socks = [server.connect(request) for _ in range(5)]
            time.sleep(0.3)
            for s in socks:
                if how == "reset":
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                s.close()
            ok, note = server.settles(live, descriptors)
            descriptors_ok.append(ok)
            check(f"threat 40: nothing is left of {name} whose client went with a {how}", ok, note)
    fed.close()


def immediate_pieces(server):
    check("response_io immediate reads a pipe that delivers in pieces, in one call", server.get("/pieces") == b"piece1piece2piece3piece4piece5")


def idle_connections(server):
    request = b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n"
    import resource
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))
    n = 10000 if hard >= 10200 else hard - 200
    before = uss(server.pid)
    socks = []
    for _ in range(n):
        s = server.connect(request)
        socks.append(s)
        assert b"pong" in s.recv(4096)
    each = (uss(server.pid) - before) / n
    for s in socks:
        s.close()
    check("threat 22: 10,000 idle connections cost less than 1 KiB each", each < 1024 and n == 10000, f"{each:.0f} bytes each of {n}")


def main():
    work = tempfile.mkdtemp(prefix="httpsrv-streams-", dir=os.environ.get("STREAMS_TMP", os.path.join(ROOT, BUILD)))
    server = None
    try:
        with open(os.path.join(work, "big"), "wb") as f:  # text and holes: compresses to nothing on disk, yet is no constant
            for i in range(0, BIG, 16 * MIB):
                f.seek(i)
                f.write(b"a line of the large file at %d\n" % i * 1000)
            f.truncate(BIG)
        with open(os.path.join(work, "big"), "rb") as f:
            want = digest(f)
        server = Server(work)
        idle_connections(server)
        immediate_pieces(server)
        large_file(server, work, want)
        two_hundred_readers(server)
        thousand_who_do_not_read(server)
        large_upload(server, work)
        refused_upload(server, work)
        early_answers(server, work)
        spooled(server, work)
        million_lines(server)
        slow_fifo(server, work)
        killed_clients(server, work)
        server.process.send_signal(signal.SIGTERM)
        check("TERM ends it with status 0", server.process.wait(30) == 0)
    finally:
        if server and server.process.poll() is None:
            server.process.kill()
            server.process.wait()
        if server and failed():
            print("# server log:\n# " + open(server.log.name).read()[-4000:].replace("\n", "\n# "))
        shutil.rmtree(work, ignore_errors=True)
    finish()


main()

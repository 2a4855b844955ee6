"""serving.py - what the Python tests share: a server that runs, requests made by hand, results as TAP."""
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HTTPSRV = os.path.abspath(os.environ.get("HTTPSRV") or os.path.join(ROOT, os.environ.get("BUILD", "build"), "release", "httpsrv"))
_results = [0, 0]

HELLO = """
local httpsrv = require "httpsrv"
httpsrv.register("GET", "/hello", function(sess)
  sess:response_status_set_std(200, "OK", "text/plain")
  sess:response_append("hello")
end)
"""


def check(name, ok, note="", most=300):
    _results[0] += 1
    _results[1] += not ok
    print(f"{'ok' if ok else 'not ok'} {_results[0]} - {name}" + (f" # {str(note)[:most]!r}" if note != "" else ""), flush=True)
    return ok


def checks_of(what="", last=800):
    """A check whose names begin with what a script is about, if that is one thing, and whose notes are for failures only: of a log, its end."""
    return lambda name, ok, note="": check(what + ": " * bool(what) + name, ok, "" if ok else str(note)[-last:], last)


def failed():
    """How many checks have failed."""
    return _results[1]


def finish():
    print(f"1..{_results[0]}")
    sys.exit(_results[1] != 0)


def run_tests(names):
    """Runs the functions test_... of a module, or those that an argument names, and ends the program."""
    for name, test in list(names.items()):
        if name.startswith("test_") and (len(sys.argv) < 2 or sys.argv[1] in name):
            test()
    finish()


def wait_until(condition, seconds=30, pause=0.01):
    """Waits for a condition; what it gave at last, which is true when it has come."""
    end = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() <= end:
        time.sleep(pause)
    return found


class Server:
    """httpsrv serve, in a directory of its own. An option or an address may hold {work}."""
    patience = 60  # seconds for what the log is to say, and for the end
    timeout = 20  # seconds for what a connection waits for

    def __init__(self, work, *options, script=HELLO, workers=0, listen=("127.0.0.1:0",), popen=None, wait=True, command=None, control=True):
        self.work, self.app, self.log_path = work, os.path.join(work, "app"), os.path.join(work, "log")
        os.makedirs(self.app, exist_ok=True)
        self.write("a.lua", script)
        words = [w.format(work=work) for a in listen for w in ("--listen", a)] + [o.format(work=work) for o in options]
        self.argv = [*(command or [HTTPSRV]), "serve", self.app, "--workers", str(workers), "--control",
                     os.path.join(work, "control") if control else "none", *words]
        with open(self.log_path, "a", encoding="utf-8") as log:
            self.begun = os.fstat(log.fileno()).st_size # what is before is of former ones
            self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=work, **(popen or {}))
        self.pid = self.process.pid
        if wait:
            self.wait_for(" serves " + self.app)

    def write(self, name, text):
        with open(os.path.join(self.work, "new"), "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(os.path.join(self.work, "new"), 0o644)
        os.replace(os.path.join(self.work, "new"), os.path.join(self.app, name))

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            f.seek(self.begun)
            return f.read()

    def wait_for(self, text, after=0, seconds=None):
        def there():
            if text in self.log()[after:]:
                return True
            if self.process.poll() is not None:
                raise SystemExit(f"the server ended and never said {text!r}:\n{self.log()}")
            return False
        if not wait_until(there, seconds or self.patience):
            raise SystemExit(f"the log never said {text!r}:\n{self.log()}")

    def ports(self):
        """Of its TCP listeners, in order."""
        line = next(x for x in self.log().splitlines() if " serves " + self.app in x)
        return [int(part.rsplit(":", 1)[1].rstrip("/,")) for part in line.split() if part.startswith("http://")]

    def connect(self, port=None):
        s = socket.create_connection(("127.0.0.1", port or self.ports()[0]), timeout=self.timeout)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s

    def connect_unix(self, name="socket"):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(self.timeout)
        s.connect(os.path.join(self.work, name))
        return s

    def workers(self, pid=None):
        with open(f"/proc/{pid or self.pid}/task/{pid or self.pid}/children", encoding="ascii") as f:
            return [int(p) for p in f.read().split()]

    def ctl(self, *words):
        return subprocess.run([HTTPSRV, "ctl", "--control", os.path.join(self.work, "control"), *words], capture_output=True, text=True, timeout=60,
                              check=False)

    def stop(self):
        for _ in range(2):
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=self.patience)


@contextlib.contextmanager
def place():
    """A directory of its own for a server, which others may read."""
    work = tempfile.mkdtemp(prefix="httpsrv-")
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


@contextlib.contextmanager
def serving(*options, status=0, kind=Server, **more):
    """A server, of a kind that may be a script's, in a place of its own; afterwards it has to end with a status, and no sanitizer may have spoken."""
    with place() as work:
        server = kind(work, *options, **more)
        try:
            yield server
        finally:
            got = server.stop()
            if got != status or "Sanitizer" in server.log():
                print(server.log(), file=sys.stderr)
                check("the server ends in order", False, f"status {got}")


def request(path="/hello", fields="", host="x"):
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n".encode()


def read_answer(s):
    """One response with a Content-Length, or chunked: (head, body); None when the connection ended first."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = s.recv(65536)
        if not piece:
            return None
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    chunked = b"transfer-encoding: chunked" in lines
    length = 0 if chunked else next((int(x[15:]) for x in lines if x.startswith(b"content-length:")), 0)
    while (chunked and not body.endswith(b"0\r\n\r\n")) or len(body) < length:
        piece = s.recv(65536)
        if not piece:
            return None
        body += piece
    return head, body


def unchunked(answer):
    """The content of a response, whichever way it was framed."""
    head, body = answer
    if b"transfer-encoding: chunked" not in head.lower():
        return body
    out = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        out, body = out + body[:int(size, 16)], body[int(size, 16) + 2:]
    return out


def ask(s, path="/hello", fields="", host="x"):
    s.sendall(request(path, fields, host))
    return read_answer(s)


def cpu_seconds(pid):
    """Of a process: user and system."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid):
    """Bytes of anonymous memory that a process has resident."""
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(x.split()[1]) * 1024 for x in f if x.startswith("RssAnon:"))

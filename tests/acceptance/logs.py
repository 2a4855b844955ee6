#!/usr/bin/env python3
"""The logs of real servers: a line for each way a request ends, whole lines from several workers, files opened anew under load, full disks, what
liars get. Prints TAP."""

import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HTTPSRV = os.environ.get("HTTPSRV", "./httpsrv")
COMBINED = re.compile(r'^(\S+) - (\S+) \[(\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\] "((?:[^"\\]|\\x[0-9A-F]{2})*)" (\d{3}) (\d+) '
                      r'"((?:[^"\\]|\\x[0-9A-F]{2})*)" "((?:[^"\\]|\\x[0-9A-F]{2})*)"$')
SCRIPT = """
local httpsrv = require "httpsrv"
httpsrv.register("GET", "/hello", function(sess) sess:response_append("hello") end)
httpsrv.register("GET", "/error", function() error("planted") end)
httpsrv.register("GET", "/wait", function(sess) httpsrv.sleep(30) end)
httpsrv.register("GET", "/begin", function(sess)
  sess:response_append("some") sess:response_flush() httpsrv.sleep(30)
end)
httpsrv.register("GET", "/late", function() httpsrv.sleep(30) end, { handler_timeout = 0.3 })
httpsrv.register("GET", "/client", function(sess)
  sess:response_json { address = sess:client_address(), id = sess:request_id() }
end)
"""


class Server:
    """httpsrv at a unix socket in a folder of its own, with its logs."""

    def __init__(self, *options, limit=None, stdout=None):
        self.folder = tempfile.TemporaryDirectory()
        self.dir = Path(self.folder.name)
        (self.dir / "main.lua").write_text(SCRIPT)
        self.address = str(self.dir / "socket")
        self.access = self.dir / "access.log"
        self.errors = self.dir / "error.log"
        self.out = open(self.dir / "out", "wb")

        def before():
            if limit is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)

        options = [str(o).replace("DIR", str(self.dir)) for o in options]
        self.process = subprocess.Popen(
            [HTTPSRV, "serve", str(self.dir / "main.lua"), "--listen", "unix:" + self.address, "--error-log", str(self.errors),
             "--control", str(self.dir / "control"), *options], stdout=stdout or self.out, stderr=self.out, preexec_fn=before)
        self.until(lambda: "serves" in self.said())

    def said(self):
        return self.errors.read_text() if self.errors.exists() else ""

    def until(self, condition, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if condition():
                return True
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise AssertionError("it did not come: " + self.said()[-2000:] + (self.dir / "out").read_text()[-2000:])

    def send(self, text, answer=True, wait=10):
        """Sends bytes on a connection of their own; what comes until the server closes, or has been quiet after an answer."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(wait)
            s.connect(self.address)
            s.sendall(text if isinstance(text, bytes) else text.encode())
            got = b""
            while answer:
                try:
                    part = s.recv(65536)
                except socket.timeout:
                    break
                if not part:
                    break
                got += part
        return got.decode("latin-1")

    def get(self, target, *fields):
        return self.send("".join([f"GET {target} HTTP/1.1\r\nHost: a\r\n", *(f + "\r\n" for f in fields), "Connection: close\r\n\r\n"]))

    def ctl(self, *words):
        return subprocess.run([HTTPSRV, "ctl", "--control", str(self.dir / "control"), *words], capture_output=True, text=True, timeout=30, check=False)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=60)
        assert status == 0, (status, self.said()[-2000:])

    def lines(self, *names):
        return [line for name in names or ("access.log",) for line in (self.dir / name).read_text().splitlines()]

    def objects(self, *names):
        return [json.loads(line) for line in self.lines(*names)]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.out.close()
        self.folder.cleanup()


def every_way_a_request_ends():
    """Each has one line, with what is known of it."""
    with Server("--workers", 2, "--access-log", "DIR/access.log", "--access-log-format", "json", "--head-timeout", 1) as s:
        s.get("/hello", "User-Agent: test", "Referer: http://a/")
        s.get("/none")
        s.get("/error")
        s.get("/late")
        s.send("GET /bad request HTTP/1.1\r\n\r\n")
        s.send("GET /slow HTTP/1.1\r\nHo")
        s.send("POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
        for target in ("/wait", "/begin"):
            with socket.socket(socket.AF_UNIX) as c:
                c.connect(s.address)
                c.sendall(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
                if target == "/begin":
                    assert b"some" in c.recv(65536) or b"some" in c.recv(65536)
                else:
                    time.sleep(0.3)
        s.until(lambda: len(s.lines()) == 9)
        s.stop()
        seen = {o.get("line") or o["method"] + " " + o["target"]: o for o in s.objects()}
        expected = {
            "GET /hello": (200, 5, False), "GET /none": (404, 10, False), "GET /late": (503, 20, False),
            "GET /bad request HTTP/1.1": (400, 12, False), "GET /slow HTTP/1.1": (408, 16, False), "POST /hello": (405, 19, False),
            "GET /wait": (None, 0, True), "GET /begin": (200, 4, True),
        }
        for key, (status, count, aborted) in expected.items():
            o = seen[key]
            assert (o["status"], o["bytes"], o["aborted"]) == (status, count, aborted), o
        assert seen["GET /error"]["status"] == 500
        o = seen["GET /hello"]
        assert o["user_agent"] == "test" and o["referer"] == "http://a/" and o["host"] == "a" and o["protocol"] == "HTTP/1.1", o
        assert o["client"] == "unix:" and o["listener"] == "unix:" + s.address and o["worker"] in (0, 1) and "peer" not in o, o
        assert seen["GET /late"]["total"] >= 0.3 and seen["GET /begin"]["first_byte"] < seen["GET /begin"]["total"]
        assert seen["GET /slow HTTP/1.1"]["total"] >= 1
        assert len({o["id"] for o in seen.values() if o["id"]}) == 7
        assert f"request {seen['GET /error']['id']}" in s.said(), s.said()


def load(server, seconds, connections=8):
    """Keep-alive clients: their threads, how much each has been answered, and what went wrong."""
    done, failed = [0] * connections, []
    end = time.monotonic() + seconds

    def client(i):
        with socket.socket(socket.AF_UNIX) as c:
            c.settimeout(60)
            c.connect(server.address)
            while time.monotonic() < end:
                c.sendall(b"".join(b"GET /hello?%d.%d HTTP/1.1\r\nHost: a\r\n\r\n" % (i, done[i] + k) for k in range(16)))
                got = b""
                while got.count(b"\r\n\r\nhello") < 16:
                    part = c.recv(65536)
                    assert part, "closed"
                    got += part
                done[i] += 16
                time.sleep(0.005)  # one processor may have to do for all of this

    def run(i):
        try:
            client(i)
        except (OSError, AssertionError) as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(connections)]
    for t in threads:
        t.start()
    return threads, done, failed


def reopened_under_load():
    """USR1 and ctl reopen, again and again, with two workers in one file: no line is lost, none is torn."""
    with Server("--workers", 2, "--access-log", "DIR/access.log", "--max-requests", 100000000) as s:
        threads, done, failed = load(s, 4)
        names = []
        for round_ in range(10):
            time.sleep(0.3)
            names.append(f"access.log.{round_}")
            s.access.rename(s.dir / names[-1])
            (s.dir / "error.log").rename(s.dir / f"error.log.{round_}")
            if round_ % 2:
                s.process.send_signal(signal.SIGUSR1)
            else:
                answer = s.ctl("reopen")
                assert answer.returncode == 0, answer
            s.until(s.access.exists)
            s.until(s.errors.exists)
        for t in threads:
            t.join()
        assert not failed, failed
        s.stop()
        lines = s.lines(*names, "access.log")
        assert all(COMBINED.match(line) for line in lines), [line for line in lines if not COMBINED.match(line)][:3]
        assert not any("lines lost" in (s.dir / name).read_text() for name in ["error.log"] + [f"error.log.{r}" for r in range(10)])
        wanted = {f"GET /hello?{i}.{k} HTTP/1.1" for i, n in enumerate(done) for k in range(n)}
        got = [COMBINED.match(line).group(4) for line in lines]
        assert len(got) == len(wanted) and set(got) == wanted, (len(got), len(wanted))
        assert len(wanted) > 1000


def rotated_as_logrotate_does_it():
    """With the file that is delivered, by logrotate itself where it is installed."""
    delivered = Path("examples/deploy/httpsrv.logrotate").read_text()
    with Server("--workers", 2, "--access-log", "DIR/access.log") as s:
        s.get("/hello?before")
        s.until(lambda: len(s.lines()) == 1)
        conf = delivered.replace("/var/log/httpsrv/*.log", f"{s.dir}/*.log").replace("/run/httpsrv/httpsrv.pid", f"{s.dir}/pid")
        conf = re.sub(r"create 0640 httpsrv adm", f"create 0640 {os.getuid()} {os.getgid()}", conf)
        conf = re.sub(r"su httpsrv adm\n", "", conf)
        assert str(s.dir) in conf
        (s.dir / "pid").write_text(f"{s.process.pid}\n")
        (s.dir / "conf").write_text(conf)
        os.chmod(s.dir / "conf", 0o644)
        logrotate = next((p for p in ("/usr/sbin/logrotate", "/sbin/logrotate") if os.access(p, os.X_OK)), None)
        if logrotate:
            conf = re.sub(rf"create 0640 {os.getuid()} {os.getgid()}", "create 0640", conf)
            (s.dir / "conf").write_text(conf)
            subprocess.run([logrotate, "-f", "-s", str(s.dir / "state"), str(s.dir / "conf")], check=True, capture_output=True)
        else:
            script = re.search(r"postrotate\n(.*?)endscript", conf, re.S).group(1)
            for log in ("access.log", "error.log"):
                (s.dir / log).rename(s.dir / (log + ".1"))
            subprocess.run(["sh", "-c", script], check=True)
        s.until(lambda: "opened anew" in s.said())
        s.get("/hello?after")
        s.until(lambda: len(s.lines()) == 1)
        s.stop()
        assert "before" in (s.dir / "access.log.1").read_text() and "after" in s.lines()[0]


def full_disk():
    """THREATS 23: it is counted and told once, and service goes on; when there is room again, so does the log."""
    with Server("--workers", 1, "--access-log", "/dev/full") as s:
        for _ in range(20):
            assert "hello" in s.get("/hello")
        s.until(lambda: "access log: cannot write to /dev/full: No space left on device" in s.said())
        time.sleep(2.5)
        assert "hello" in s.get("/hello")
        assert s.said().count("cannot write") == 1, s.said()
        s.stop()
    with Server("--workers", 2, "--access-log", "DIR/access.log", limit=4000) as s:
        for i in range(60):
            assert "hello" in s.get(f"/hello?{i}")
        s.until(lambda: "File too large" in s.said())
        assert os.path.getsize(s.access) <= 4000
        s.access.rename(s.dir / "access.full")  # room
        s.process.send_signal(signal.SIGUSR1)
        wanted = {f"GET /hello?{i} HTTP/1.1" for i in range(60)}
        s.until(lambda: wanted <= {m.group(4) for m in map(COMBINED.match, s.lines("access.full", *(["access.log"] if s.access.exists() else []))) if m})
        assert "hello" in s.get("/hello?later")
        s.until(lambda: any("later" in line for line in s.lines()))
        s.stop()


def forged_input():
    """THREATS 32: nothing of a request makes a line of its own, in either format."""
    hostile = ['x" 200 0 "-" "-"', "a\\", "\\x22", "tab\tbed", "caf\xe9", "\u20ac".encode().decode("latin-1"), "a\x85b", "\xe2\x80\xa8"]
    for form in ("combined", "json"):
        with Server("--workers", 1, "--access-log", "DIR/access.log", "--access-log-format", form) as s:
            for text in hostile:
                s.send(f"GET /hello HTTP/1.1\r\nHost: a\r\nUser-Agent: {text}\r\nReferer: {text}\r\nConnection: close\r\n\r\n".encode("latin-1"))
            s.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n")
            s.send(b"GET /\x1b[31m\n127.0.0.1 - - [x] HTTP/1.1\r\n\r\n")
            s.until(lambda: len(s.lines()) == len(hostile) + 2)  # no more and no less
            s.stop()
            raw = s.access.read_bytes()
            assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", raw)
            if form == "combined":
                matches = [COMBINED.match(line) for line in s.lines()]
                assert all(matches) and raw.isascii()
                agents = [re.sub(r"\\x(..)", lambda m: chr(int(m.group(1), 16)), m.group(8)) for m in matches]
                assert agents[:len(hostile)] == hostile, agents
            else:
                assert [o["user_agent"] for o in s.objects()][:4] == hostile[:4]
                assert s.objects()[4]["user_agent"] == "caf\xe9" and s.objects()[5]["user_agent"] == "\u20ac"


def clients_behind_proxies():
    """The client's address and the id come from a trusted proxy only."""
    fields = ("X-Forwarded-For: 6.6.6.6, 192.0.2.1", "X-Request-Id: from-the-proxy", "Forwarded: for=192.0.2.9")
    for options, ip, form in (((), None, "-"), (("--trusted", "10.0.0.0/8"), None, "-"), (("--trusted", "unix:"), "192.0.2.1", "x"),
                              (("--trusted", "unix:", "--client-address-from", "forwarded"), "192.0.2.9", "f")):
        with Server("--workers", 0, "--access-log", "DIR/access.log", "--access-log-format", "json", "--request-id", *options) as s:
            got = s.get("/client", *fields)
            said = json.loads(got.split("\r\n\r\n", 1)[1])
            s.until(lambda: len(s.lines()) == 1)
            s.stop()
            o = s.objects()[0]
            assert said["address"].get("ip") == ip and o["client"] == (ip or "unix:"), (options, got, o)
            assert (o.get("peer") == "unix:") == (ip is not None)
            assert f"X-Request-Id: {said['id']}\r\n" in got and o["id"] == said["id"]
            assert (said["id"] == "from-the-proxy") == (form != "-")


def log_levels():
    """ctl log-level changes what is logged, in all processes, without a restart; a worker that comes later has it too."""
    with Server("--workers", 2) as s:
        assert s.ctl("log-level").stdout == "info\n"
        s.send("nonsense\r\n\r\n")
        s.until(lambda: s.said().count("refused a request") == 1)
        assert s.ctl("log-level", "warning").returncode == 0
        for _ in range(20):
            s.send("nonsense\r\n\r\n")
        assert s.ctl("log-level").stdout == "warn\n"
        assert s.said().count("refused a request") == 1
        assert s.ctl("log-level", "loud").returncode != 0
        assert s.ctl("log-level", "debug").returncode == 0
        s.send("nonsense\r\n\r\n")
        s.until(lambda: s.said().count("refused a request") == 2)
        s.stop()


def to_a_pipe():
    """stdout that is a pipe gets whole lines, and a reader that goes away harms nobody."""
    read, write = os.pipe()
    with Server("--workers", 2, "--access-log", "-", stdout=write) as s:
        os.close(write)
        for i in range(50):
            assert "hello" in s.get(f"/hello?{i}")
        got = b""
        while got.count(b"\n") < 50:
            got += os.read(read, 65536)
        assert all(COMBINED.match(line) for line in got.decode().splitlines())
        os.close(read)
        for i in range(5):
            assert "hello" in s.get("/hello")
        s.until(lambda: "Broken pipe" in s.said())
        assert "hello" in s.get("/hello")
        s.stop()


def unusable():
    """What cannot be opened stops the start, and says why."""
    for option, value in (("--access-log", "/nonexistent/x.log"), ("--error-log", "/nonexistent/x.log"), ("--access-log", "syslog:none"),
                          ("--access-log-format", "xml"), ("--client-address-from", "x-real-ip")):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "main.lua").write_text(SCRIPT)
            for workers in ("0", "2"):
                done = subprocess.run([HTTPSRV, "serve", folder, "--listen", f"unix:{folder}/s", "--workers", workers, "--control", "none", option, value],
                                      capture_output=True, text=True, timeout=60, check=False)
                assert done.returncode != 0 and option[2:] in done.stderr and value in done.stderr, (option, value, done)


TESTS = (every_way_a_request_ends, reopened_under_load, rotated_as_logrotate_does_it, full_disk, forged_input, clients_behind_proxies, log_levels,
         to_a_pipe, unusable)


def main():
    chosen = [t for t in TESTS if len(sys.argv) < 2 or t.__name__ in sys.argv[1:]]
    bad = 0
    print(f"1..{len(chosen)}")
    for number, test in enumerate(chosen, 1):
        name = test.__name__.replace("_", " ")
        try:
            test()
            print(f"ok {number} - {name}", flush=True)
        except Exception as error:  # pylint: disable=broad-except
            bad += 1
            print(f"not ok {number} - {name}\n# {type(error).__name__}: {str(error)[:3000]}".replace("\n", "\n# ").replace("# # ", "# "), flush=True)
            import traceback
            print("# " + traceback.format_exc().replace("\n", "\n# "), flush=True)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
# admin.py - the admin listener of real servers, with everything in one process and with a master and two workers: what it counts against what was sent, what it
# says while workers die and while the server drains, who is let in, how much it can be made to do, and the live page in a browser.
# timeout: 300
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from serving import HTTPSRV, Server, checks_of, place, request, run_tests, serving, wait_until  # noqa: E402

check = checks_of()

SCRIPT = """
local httpsrv = require "httpsrv"
local function answer(status)
  return function(sess) sess:response_status_set_std(status, nil, "text/plain") end
end
httpsrv.register("GET", "/ok", answer(200))
httpsrv.register("GET", "/moved", answer(303))
httpsrv.register("GET", "/gone", answer(410))
httpsrv.register("GET", "/broken", answer(503))
httpsrv.register("GET", "/fails", function() error("oops") end)
local function deep()
  httpsrv.sleep(100) -- line 12
end
httpsrv.register("GET", "/slow", function() deep() end)
httpsrv.register("GET", "/inner", function()
  coroutine.wrap(function()
    httpsrv.sleep(100) -- line 17
  end)()
end)
httpsrv.register("GET", "/soon", function(sess) httpsrv.sleep(1.5) sess:response_append("soon") end)
httpsrv.register("GET", "/<script>window.broken=1<-script>", function() httpsrv.sleep(100) end)
"""


class Observed(Server):
    def __init__(self, work, *options, **more):
        super().__init__(work, *options, script=SCRIPT, **more)
        at = re.search(r"admin listener at 127\.0\.0\.1:(\d+)", self.log())
        self.admin_port = int(at.group(1)) if at else None
        self.admin_path = os.path.join(work, "control.admin")

    def connect_admin(self):
        return self.connect(self.admin_port) if self.admin_port else self.connect_unix("control.admin")

    def ask(self, path, fields="", method="GET", host="localhost"):
        """One request to the admin listener: status, head, body."""
        with self.connect_admin() as s:
            s.sendall(f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{fields}\r\n".encode())
            return split(read_all(s))

    def metrics(self):
        status, head, body = self.ask("/metrics")
        assert status == 200, head
        return parse_metrics(body)

    def get(self, path):
        with self.connect() as s:
            s.sendall(request(path, "Connection: close\r\n"))
            return split(read_all(s))

    def begin(self, path):
        s = self.connect()
        s.sendall(request(path))
        return s


def read_all(s):
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := s.recv(65536):
            data += piece
    return data


def split(data):
    head, _, body = data.decode().partition("\r\n\r\n")
    return int(head.split()[1]) if head else 0, head, body


def until(what, seconds=15):
    return wait_until(what, seconds, 0.02)


def observed(workers, *options):
    return serving(*options, kind=Observed, workers=workers)


# --- the text format, strictly ---

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\\\|\\"|\\n)*"'
SAMPLE = re.compile(rf"({NAME})(\{{{LABEL}(?:,{LABEL})*\}})? (-?[0-9]+(?:\.[0-9]+)?(?:e[-+]?[0-9]+)?|\+Inf|NaN)")


def family_of(name, types):
    for suffix in ("_bucket", "_sum", "_count"):
        if name.endswith(suffix) and types.get(name[: -len(suffix)]) == "histogram":
            return name[: -len(suffix)]
    return name


def parse_metrics(text):
    """{sample with its labels: value}; raises ValueError for whatever the format (0.0.4) does not allow, and for names that go against its customs."""
    found, types, helps, current, closed = {}, {}, {}, None, set()

    def wrong(line, why):
        raise ValueError(f"{why}: {line!r}")

    if not text.endswith("\n"):
        wrong(text[-50:], "no end of line at the end")
    for line in text[:-1].split("\n"):
        if comment := re.fullmatch(rf"# HELP ({NAME}) ((?:[^\\\n]|\\\\|\\n)+)", line):
            name = comment.group(1)
            if name in helps or name in closed:
                wrong(line, "a second HELP")
            closed.add(current)
            helps[name], current = comment.group(2), name
        elif comment := re.fullmatch(rf"# TYPE ({NAME}) (counter|gauge|histogram)", line):
            if comment.group(1) != current or current in types:
                wrong(line, "TYPE without its HELP before it")
            types[current] = comment.group(2)
        else:
            sample = SAMPLE.fullmatch(line)
            if not sample or family_of(sample.group(1), types) != current or current not in types:
                wrong(line, "no sample of the metric that has begun")
            key = sample.group(1) + (sample.group(2) or "")
            if key in found:
                wrong(line, "a second sample")
            found[key] = float(sample.group(3))
    for name, kind in types.items():
        if (kind == "counter") != name.endswith("_total"):
            wrong(name, "counters, and only they, end in _total")
        if not any(family_of(key.split("{")[0], types) == name for key in found) and not name.startswith(("httpsrv_pool", "httpsrv_lua_generation")):
            wrong(name, "no sample")
        if kind == "histogram":
            check_histogram(name, found)
    return found


def check_histogram(name, found):
    buckets = [(float(re.search(r'le="([^"]+)"', key).group(1)), value) for key, value in found.items() if key.startswith(name + "_bucket")]
    if [b for b, _ in buckets] != sorted({b for b, _ in buckets}) or [v for _, v in buckets] != sorted(v for _, v in buckets):
        raise ValueError(f"{name}: buckets are not in order")
    if buckets[-1] != (float("inf"), found[name + "_count"]) or name + "_sum" not in found:
        raise ValueError(f"{name}: +Inf, _count and _sum do not belong together")


def test_format():
    with observed(2) as server:
        server.get("/ok")
        text = server.ask("/metrics")
        check("the type is that of the text format", "Content-Type: text/plain; version=0.0.4; charset=utf-8" in text[1], text[1])
        try:
            parse_metrics(text[2])
            check("the metrics are in the text format, to the letter", True)
        except ValueError as error:
            check("the metrics are in the text format, to the letter", False, error)
        if shutil.which("promtool"):
            done = subprocess.run(["promtool", "check", "metrics"], input=text[2], capture_output=True, text=True, timeout=60)
            check("promtool finds nothing", done.returncode == 0, done.stdout + done.stderr)
        bad = ["a_total 1\n", "# HELP a b\n# TYPE a gauge\na{x=\"\n\"} 1\n", "# HELP a b\n# TYPE a counter\na 1\n", text[2] + "x 1\n", text[2].rstrip("\n"),
               text[2].replace("_total 0", "_total x", 1)]
        refused = 0
        for example in bad:
            try:
                parse_metrics(example)
            except ValueError:
                refused += 1
        check("the parser of this test refuses what is wrong", refused == len(bad), refused)


def requests_of(m):
    return {c: int(m[f'httpsrv_requests_total{{class="{c}"}}']) for c in ("none", "2xx", "3xx", "4xx", "5xx")}


def test_counts():
    sent = {"/ok": 31, "/moved": 7, "/gone": 5, "/nowhere": 3, "/broken": 4, "/fails": 2}
    wanted = {"none": 0, "2xx": 31, "3xx": 7, "4xx": 8, "5xx": 6}
    for workers in (0, 2):
        with observed(workers) as server:
            for path, n in sent.items():
                for _ in range(n):
                    server.get(path)
            with server.connect() as s:  # sixteen in one burst
                s.sendall(b"GET /ok HTTP/1.1\r\nHost: x\r\n\r\n" * 15 + b"GET /ok HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                read_all(s)
            with server.connect() as s:
                s.sendall(b"GET / HTTP/9.9\r\n\r\n")
                read_all(s)
            total = dict(wanted, **{"2xx": 31 + 16})
            until(lambda: requests_of(server.metrics()) == total and server.metrics()["httpsrv_connections_accepted_total"] >= 54)
            m = server.metrics()
            check(f"{workers} workers: requests by class are what was sent", requests_of(m) == total, requests_of(m))
            check(f"{workers} workers: each of them was timed", m["httpsrv_request_duration_seconds_count"] == sum(total.values()),
                  m["httpsrv_request_duration_seconds_count"])
            check(f"{workers} workers: errors in Lua", m["httpsrv_lua_errors_total"] == 2, m["httpsrv_lua_errors_total"])
            check(f"{workers} workers: refused requests", m["httpsrv_requests_refused_total"] == 1, m["httpsrv_requests_refused_total"])
            check(f"{workers} workers: connections", m["httpsrv_connections_accepted_total"] == 54, m["httpsrv_connections_accepted_total"])
            check(f"{workers} workers: bytes", m["httpsrv_received_bytes_total"] > 1000 and m["httpsrv_sent_bytes_total"] > 1000)
            check(f"{workers} workers: Lua memory", all(v > 50000 for k, v in m.items() if k.startswith("httpsrv_lua_memory_bytes")))
            status = json.loads(server.ask("/status")[2])
            check(f"{workers} workers: the status says the same", status["requests"]["total"] == sum(total.values()) and status["requests"]["4xx"] == 8
                  and sum(n for _, n in status["latency"]["histogram"]) == status["latency"]["count"] == sum(total.values()), status["requests"])
            check(f"{workers} workers: percentiles are in order", 0 < status["latency"]["p50"] <= status["latency"]["p90"] <= status["latency"]["p999"])
            held = server.begin("/slow")
            check(f"{workers} workers: a request that waits is one", until(lambda: sum(v for k, v in server.metrics().items()
                                                                          if k.startswith("httpsrv_requests_waiting")) == 1))
            held.close()
            check(f"{workers} workers: and when its client has gone it was cut short",
                  until(lambda: server.metrics()["httpsrv_requests_cut_short_total"] == 1), server.metrics()["httpsrv_requests_cut_short_total"])
            done = server.ctl("reload")
            check(f"{workers} workers: reloads", done.returncode == 0 and server.metrics()['httpsrv_reloads_total{result="done"}'] == 1, done.stderr)
            with open(os.path.join(server.app, "a.lua"), "a") as f:
                f.write("nonsense here")
            server.ctl("reload")
            check(f"{workers} workers: failed reloads", until(lambda: server.metrics()['httpsrv_reloads_total{result="failed"}'] == 1))


def test_killed_workers():
    with observed(2) as server:
        stop = threading.Event()
        answered = []

        def load():
            while not stop.is_set():
                with contextlib.suppress(OSError):
                    if server.get("/ok")[0] == 200:
                        answered.append(True)

        threads = [threading.Thread(target=load) for _ in range(3)]
        for t in threads:
            t.start()
        last, back = {}, []
        for i in range(60):
            if i % 15 == 10:
                os.kill(server.workers()[0], signal.SIGKILL)
            m = {k: v for k, v in server.metrics().items() if "_total" in k or k.startswith("httpsrv_request_duration")}
            back += [(k, last[k], v) for k, v in m.items() if v < last.get(k, 0)]
            last = m
            time.sleep(0.03)
        stop.set()
        for t in threads:
            t.join()
        check("no counter ever goes back while workers are killed", not back, back)
        check("the restarts are counted", sum(v for k, v in server.metrics().items() if k.startswith("httpsrv_worker_restarts_total")) == 4)
        counted = requests_of(server.metrics())["2xx"]
        check("no answer that has come is missing", len(answered) <= counted <= len(answered) + 40, (len(answered), counted))


def test_ready():
    for workers in (0, 2):
        with observed(workers, "--drain-timeout", "20") as server:
            check(f"{workers} workers: ready", server.ask("/ready")[0] == 200)
            check(f"{workers} workers: alive", server.ask("/health")[0] == 200)
            held = server.begin("/soon")
            until(lambda: json.loads(server.ask("/status")[2])["requests"]["waiting"] == 1)
            server.process.send_signal(signal.SIGTERM)
            check(f"{workers} workers: not ready while it drains", until(lambda: server.ask("/ready")[0] == 503))
            check(f"{workers} workers: but alive", server.ask("/health")[0] == 200)
            check(f"{workers} workers: what runs is finished", b"soon" in held.recv(4096))
            held.close()
            check(f"{workers} workers: then it ends", server.process.wait(timeout=30) == 0)
            check(f"{workers} workers: and its socket is gone", not os.path.exists(server.admin_path))


def test_who_is_let_in():
    with observed(2) as server:
        mode = os.stat(server.admin_path).st_mode & 0o777
        check("the unix socket is its owner's alone", mode == 0o600, oct(mode))
        for path in ("/metrics", "/status", "/health", "/ready", "/events"):
            check(f"{path} is not to be had where the server listens", server.get(path)[0] == 404)
        check("a POST is refused", server.ask("/metrics", method="POST")[0] == 405)
        check("what is not there is not", server.ask("/../etc/passwd")[0] == 400 and server.ask("/nothing")[0] == 404)
    with observed(0, "--admin", "127.0.0.1:0") as server:
        check("a name of another's leads nowhere", server.ask("/metrics", host="evil.example")[0] == 403)
        check("nor does one that looks like an address", server.ask("/metrics", host="127.0.0.1.evil.example:80")[0] == 403)
        check("an address does", server.ask("/metrics", host="127.0.0.1:1234")[0] == 200 and server.ask("/metrics", host="[::1]:9")[0] == 200)
        check("the browser's word is taken", server.ask("/events", "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: cors\r\n")[0] == 403)
        check("a link may be followed", server.ask("/", "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n")[0] == 200)
        status, head, _ = server.ask("/")
        check("nobody else's page is let in on anything", "access-control" not in head.lower() and "default-src 'none'" in head, head)
    with place() as work:
        os.chmod(work, 0o777)
        os.makedirs(os.path.join(work, "app"))
        with open(os.path.join(work, "app", "a.lua"), "w") as f:
            f.write(SCRIPT)
        done = subprocess.run([HTTPSRV, "serve", "app", "--workers", "0", "--listen", "127.0.0.1:0", "--control", "none", "--admin",
                               f"unix:{work}/admin"], cwd=work, capture_output=True, text=True, timeout=30)
        check("a directory that others can write to is refused", done.returncode == 1 and "not writable by others" in done.stderr, done.stderr)


def test_streams_are_bounded():
    with observed(2) as server:
        streams = []
        for _ in range(1000):
            with contextlib.suppress(OSError):
                s = server.connect_admin()
                s.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
                streams.append(s)
        time.sleep(2.5)  # nobody reads
        opened = 0
        for s in streams:
            s.settimeout(0.2)
            with contextlib.suppress(OSError):
                opened += s.recv(16).startswith(b"HTTP/1.1 200")
        check("of 1000 streams of events 32 are opened", opened == 32, opened)
        started = time.monotonic()
        check("the master is none the worse", server.ask("/health")[0] == 200 and server.ctl("status").returncode == 0)
        check("and answers at once", time.monotonic() - started < 10, time.monotonic() - started)
        os.kill(server.workers()[0], signal.SIGKILL)
        check("and still minds its workers", until(lambda: server.metrics()['httpsrv_worker_restarts_total{worker="0"}']
                                                 + server.metrics()['httpsrv_worker_restarts_total{worker="1"}'] == 1))
        with open(f"/proc/{server.pid}/statm") as f:
            pages = int(f.read().split()[1])
        check("with little memory", pages * 4096 < 128 * 1024 * 1024, pages)
        for s in streams:
            s.close()
        check("others get in when those have gone", until(lambda: server.ask("/ready")[0] == 200))


def test_commands():
    for workers in (0, 2):
        with observed(workers) as server:
            held = [server.begin("/slow"), server.begin("/inner")]
            until(lambda: len(json.loads(server.ctl("sessions", "--json").stdout)) == 2)
            done = server.ctl("sessions")
            check(f"{workers} workers: sessions says where requests wait", "GET /slow  at a.lua:12 in sleep" in done.stdout, done.stdout + done.stderr)
            check(f"{workers} workers: in a coroutine too", "GET /inner  at a.lua:17 in sleep" in done.stdout, done.stdout)
            listed = json.loads(server.ctl("sessions", "--json").stdout)
            check(f"{workers} workers: and as JSON", {x["place"] for x in listed} == {"a.lua:12", "a.lua:17"} and all(x["doing"] == "waiting" for x in listed), listed)
            status = json.loads(server.ctl("status", "--json").stdout)
            check(f"{workers} workers: status --json", status["state"] == "serving" and len(status["workers"]) == max(workers, 1), status)
            check(f"{workers} workers: status for people", "state serving\n" in server.ctl("status").stdout)
            for _ in range(5):
                server.get("/ok")
            done = server.ctl("top", "--count", "2")
            lines = done.stdout.splitlines()
            check(f"{workers} workers: top has a line a second in a pipe", done.returncode == 0 and len(lines) == 3 and lines[0].split()[0] == "requests/s"
                  and "\033" not in done.stdout, done.stdout + done.stderr)
            check(f"{workers} workers: top --once", len(server.ctl("top", "--once").stdout.splitlines()) == 2)
            check(f"{workers} workers: wrong words", server.ctl("top", "--count", "x").returncode == 2 and server.ctl("status", "x").returncode == 2)
            if workers == 2:
                os.kill(server.workers()[0], signal.SIGSTOP)
                started = time.monotonic()
                server.ctl("sessions")
                check("a worker that stands still holds sessions up for a moment only", time.monotonic() - started < 8)
                os.kill(server.workers()[0], signal.SIGCONT)
            for s in held:
                s.close()


# --- a browser ---

class Browser:
    """Headless Chromium, spoken to over its debugging pipe."""

    def __init__(self, program, work):
        to_read, self.out = os.pipe()
        self.inp, to_write = os.pipe()

        def give():
            # a descriptor may be where another is to go
            a, b = os.dup(to_read), os.dup(to_write)
            high = [os.dup2(fd, 60 + i) for i, fd in enumerate((a, b))]
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        self.process = subprocess.Popen([program, "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--window-size=1200,1300",
                                         f"--user-data-dir={work}", "about:blank"], preexec_fn=give, pass_fds=(3, 4), stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, start_new_session=True)
        os.close(to_read)
        os.close(to_write)
        os.set_blocking(self.inp, False)
        self.data, self.last, self.events, self.session = b"", 0, [], None

    def messages(self):
        with contextlib.suppress(BlockingIOError):
            while piece := os.read(self.inp, 1 << 20):
                self.data += piece
        *whole, self.data = self.data.split(b"\0")
        return [json.loads(m) for m in whole]

    def call(self, method, **params):
        self.last += 1
        message = {"id": self.last, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + 60
        while time.monotonic() < end:
            for m in self.messages():
                if m.get("id") == self.last:
                    if "error" in m:
                        raise RuntimeError(m["error"])
                    return m["result"]
                self.events.append(m)
            time.sleep(0.01)
        raise RuntimeError(f"{method}: no answer")

    def open(self, url):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")
        self.call("Page.navigate", url=url)

    def value(self, expression):
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def seen(self, *methods):
        return [e["params"] for e in self.events if e.get("method") in methods]

    def close(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def test_live_page():
    program = shutil.which("chromium") or shutil.which("chromium-headless-shell")
    if program is None:
        check("a browser is there (chromium, see tests/deps.sh)", False)
        return
    with observed(2, "--admin", "127.0.0.1:0") as server, tempfile.TemporaryDirectory(prefix="httpsrv-", ignore_cleanup_errors=True) as work:
        held = [server.begin("/slow"), server.begin("/%3Cscript%3Ewindow.broken=1%3C-script%3E")]
        stop = threading.Event()

        def load():
            while not stop.is_set():
                server.get("/ok")
                server.get("/gone")

        thread = threading.Thread(target=load)
        thread.start()
        browser = Browser(program, work)
        try:
            origin = f"http://127.0.0.1:{server.admin_port}"
            browser.open(origin + "/")

            def text(element):
                return browser.value(f"document.getElementById('{element}').innerText") or ""

            check("the page says that the server serves", until(lambda: text("state") == "serving", 60), text("state"))
            check("it shows requests per second", until(lambda: re.fullmatch(r"[1-9][0-9.,]*", text("rate")), 30), text("rate"))
            first = browser.value("document.getElementById('classes').innerText")
            check("and the numbers change", until(lambda: browser.value("document.getElementById('classes').innerText") != first, 30), first)
            check("percentiles", until(lambda: re.search(r"µs|ms", text("p50")), 30), text("p50"))
            check("a request that waits, with its line", until(lambda: "a.lua:12" in text("sessions") and "GET /slow" in text("sessions"), 30), text("sessions"))
            check("what the names hold is shown as text", "<script>window.broken=1<-script>" in text("sessions") and browser.value("window.broken") is None,
                  text("sessions"))
            check("workers", text("workers").count("serving") == 2, text("workers"))
            check("Lua memory", re.search(r"[KM]iB", text("memory")), text("memory"))
            check("it draws", browser.value("document.querySelectorAll('svg.chart path').length") >= 5)
            check("the script's policy is kept to", browser.value("document.querySelectorAll('[style]').length") == 0)
            urls = {p["request"]["url"] for p in browser.seen("Network.requestWillBeSent")} - {"about:blank"}
            outside = [u for u in urls if not u.startswith(origin) and not u.startswith("data:")]
            check("nothing is asked of anybody else", urls and not outside, urls)
            wrong = [p for p in browser.seen("Runtime.exceptionThrown")] + [p for p in browser.seen("Runtime.consoleAPICalled") if p["type"] in ("error", "warning")]
            wrong += [p for p in browser.seen("Log.entryAdded") if p["entry"]["level"] == "error" and "favicon" not in p["entry"].get("url", "")]
            check("no error is told", not wrong, wrong)
            browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
            check("dark where that is wished for", browser.value("getComputedStyle(document.body).backgroundColor") == "rgb(17, 21, 27)")
            if picture := os.environ.get("PICTURE"):
                import base64
                for scheme in ("dark", "light"):
                    browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
                    with open(f"{picture}-{scheme}.png", "wb") as f:
                        f.write(base64.b64decode(browser.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]))
        finally:
            stop.set()
            thread.join()
            browser.close()
            for s in held:
                s.close()


run_tests(globals())

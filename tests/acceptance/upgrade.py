#!/usr/bin/env python3
"""upgrade.py - USR2: the program is replaced while it serves, again and again, and nobody notices; and when the new one fails, nothing has changed."""
import contextlib
import os
import re
import shutil
import signal
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from load import Clients, tcp  # noqa: E402
from serving import HELLO, HTTPSRV, Server, ask, check, place, read_answer, request, run_tests, wait_until  # noqa: E402

TIMES = 10


class Replaced(Server):
    """A server from a file of its own, which can be replaced."""

    def __init__(self, work, *options, **more):
        self.bin = os.path.join(work, "bin")
        os.makedirs(self.bin)
        shutil.copy(HTTPSRV, self.bin + "/httpsrv")
        super().__init__(work, "--pid-file", "{work}/pid", *options, command=[self.bin + "/httpsrv"], **more)
        self.masters = [self.pid]

    def replace(self, source=HTTPSRV):
        shutil.copy(source, self.bin + "/new")
        os.chmod(self.bin + "/new", 0o755)
        os.replace(self.bin + "/new", self.bin + "/httpsrv")

    def current(self):
        with open(self.work + "/pid", encoding="ascii") as f:
            text = f.read()
        return int(text) if text.endswith("\n") else 0

    def upgrade(self, seconds=60):
        """Whether a new master has taken over."""
        before = self.current()
        os.kill(before, signal.SIGUSR2)
        if not wait_until(lambda: self.current() not in (0, before), seconds):
            return False
        self.masters.append(self.current())
        return True

    def stop(self):
        with contextlib.suppress(ProcessLookupError):
            for _ in range(2):
                os.kill(self.current(), signal.SIGTERM)
                time.sleep(0.05)
        wait_until(lambda: not alive(self.masters[-1]) and self.process.poll() is not None)
        status = super().stop()
        for pid in self.masters:
            if not wait_until(lambda: not alive(pid), 40):
                os.kill(pid, signal.SIGKILL)
                check("every master ends", False, pid)
        return status


def alive(pid):
    return state(pid) not in ("", "Z")


def state(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as f:
            return f.read().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return ""


def is_closed(path):
    """No file, and no process that holds a socket of that name."""
    with open("/proc/net/unix", encoding="utf-8", errors="replace") as f:
        return not os.path.exists(path) and not any(line.rstrip("\n").endswith(" " + path) for line in f)


# A program that says READY and ends, while its parent stands still.
READY_AND_GONE = """
fd = int(os.environ["HTTPSRV_UPGRADE"].split(":")[0])
channel = socket.socket(fileno=fd)
channel.setblocking(True)
while struct.unpack("=II", channel.recv(8192)[:8])[0] != 129:  # what it is told of sockets
    pass
os.kill(os.getppid(), signal.SIGSTOP)
channel.send(struct.pack("=II", 64, 0))
os._exit(3)
"""


# A program whose parent dies before it has begun.
ORPHAN = """
parent = os.getppid()
os.kill(parent, signal.SIGKILL)
while os.getppid() == parent:
    pass
os.execv(%r, sys.argv)
"""


def program(work, text):
    with open(work + "/program", "w", encoding="ascii") as f:
        f.write(f"#!{sys.executable}\nimport os, signal, socket, struct, sys\n{text}")
    return work + "/program"


@contextlib.contextmanager
def replaced(*options, **more):
    with place() as work:
        server = Replaced(work, *options, **more)
        try:
            yield server
        finally:
            status = server.stop()
            check("no unix socket is left", not [x for x in os.listdir(work) if x.startswith("s")], os.listdir(work))
            check("the first master has ended well", status == 0 and "Sanitizer" not in server.log(), status)
            if os.environ.get("KEEP_LOG"):
                print(server.log(), file=sys.stderr)


def test_under_load():
    with replaced(workers=2, listen=("127.0.0.1:0", "unix:{work}/socket")) as server:
        port = server.ports()[0]
        with Clients(tcp(port), kept=32, new=32, pause=0.005) as clients, Clients(server.connect_unix, kept=2, new=2, pause=0.01) as local:
            well = 0
            for i in range(TIMES):
                time.sleep(0.2)
                server.write("a.lua", HELLO.replace('"hello"', f'"hello {i}"'))
                server.replace()
                well += server.upgrade()
            time.sleep(0.3)
            with server.connect(port) as s:
                got = ask(s)
        check(f"the program is replaced {TIMES} times", well == TIMES and len(set(server.masters)) == TIMES + 1, well)
        check("the last one serves", got is not None and got[1] == f"hello {TIMES - 1}".encode(), got)
        check("no request fails", clients.failures() == 0 and clients.answered > 500, str(clients))
        check("nor on a unix socket", local.failures() == 0 and local.answered > 50, str(local))
        check("the former ones end", wait_until(lambda: not any(map(alive, server.masters[:-1])), 40), [alive(p) for p in server.masters])
        check("the unix socket is there still", os.path.exists(server.work + "/socket"))


def test_what_is_handed_on():
    with replaced(workers=2, listen=("127.0.0.1:0", "unix:{work}/socket")) as server:
        idle, slow = server.connect(), server.connect()
        check("an idle connection", ask(idle)[1] == b"hello")
        slow.sendall(request()[:20])
        first = server.pid
        check("an upgrade", server.upgrade())
        check("the control socket is the new one's", f"pid {server.current()}\n" in server.ctl("status").stdout)
        check("the former one waits for its connections", alive(first))
        slow.sendall(request()[20:])
        got = read_answer(slow)
        check("half a request is answered, and the connection closed", got is not None and got[1] == b"hello" and b"Connection: close" in got[0], got)
        got = ask(idle)
        check("ruling 23: a request on an idle connection is answered, and the connection closed", got is not None and b"Connection: close" in got[0], got)
        check("then it ends", wait_until(lambda: not alive(first)))
        check("the control socket stays", server.ctl("status").returncode == 0)
        check("reload through it", server.ctl("reload").returncode == 0)
        os.kill(server.workers(server.current())[0], signal.SIGKILL)
        check("a worker that dies is replaced", wait_until(lambda: len(server.workers(server.current())) == 2))
        check("stop through it", server.ctl("stop").returncode == 0 and wait_until(lambda: not alive(server.masters[-1])))
        left = {"control", "socket", "pid"} & set(os.listdir(server.work))
        check("the sockets and the file of the pid are gone", not left, left)
        with open(server.work + "/pid", "w", encoding="ascii") as f:
            f.write(f"{server.masters[-1]}\n")  # for the clean-up


def admin_clients(server, connect):
    """A keep-alive connection and a stream of events of the admin listener, and clients that ask for its health."""
    kept, events = connect(), connect()
    events.sendall(request("/events", host="localhost"))
    check("a stream of events", b"data: {" in events.recv(65536))
    with Clients(connect, kept=0, new=2, path="/health", pause=0.001, host="localhost") as clients:
        check("a kept connection of the admin listener", ask(kept, "/health", host="localhost")[1] == b"alive\n")
        well = server.upgrade() and server.upgrade()
        time.sleep(0.1)
    got = ask(kept, "/health", host="localhost")
    check("ruling 23: a request on it is answered still, and it is closed", got is not None and b"Connection: close" in got[0], got)
    last = b""
    while (piece := events.recv(65536)) != b"":
        last = piece
    check("the stream ends as it should, so that the page asks the new one", last.endswith(b"0\r\n\r\n"), last[-40:])
    check("two upgrades", well)
    check("no request to the admin listener fails", clients.failures() == 0 and clients.answered > 50, str(clients))
    with connect() as s:
        s.sendall(request("/status", host="localhost"))
        check("the last one answers", f'"pid":{server.current()},'.encode() in read_answer(s)[1])


def test_the_admin_listener():
    with replaced("--admin", "127.0.0.1:0", workers=1) as server:
        place_of = re.search(r"admin listener at 127\.0\.0\.1:(\d+)", server.log())
        slow = server.connect()  # for which the former masters stay
        slow.sendall(b"GET")
        admin_clients(server, tcp(int(place_of.group(1))))
        slow.close()
    with replaced("--admin", "unix:{work}/sock.admin", workers=1) as server:
        slow = server.connect()
        slow.sendall(b"GET")
        admin_clients(server, lambda: server.connect_unix("sock.admin"))
        slow.close()
    with replaced(workers=1) as server:  # beside the control socket, then elsewhere
        os.chmod(server.work, 0o700)
        check("an upgrade", server.upgrade())
        path = server.work + "/control.admin"
        with server.connect_unix("control.admin") as s:
            check("the default one", ask(s, "/health", host="localhost")[1] == b"alive\n")
        server.write("config.lua", f"return {{ admin = 'unix:{server.work}/sother' }}")
        check("an upgrade to another address", server.upgrade())
        check("the former one's file is gone", wait_until(lambda: is_closed(path)), path)
        with server.connect_unix("sother") as s:
            check("the new one", ask(s, "/health", host="localhost")[1] == b"alive\n")


def test_who_waits_is_not_lost():
    # Connections that nobody has accepted yet when the old one stops accepting: its workers stand still.
    with replaced(workers=2) as server:
        port = server.ports()[0]
        for pid in server.workers():
            os.kill(pid, signal.SIGSTOP)
        waiting = [server.connect(port) for _ in range(30)]
        for s in waiting:
            s.sendall(request())
        old = server.workers()
        well = server.upgrade()
        answered = sum((got := read_answer(s)) is not None and got[1] == b"hello" for s in waiting)
        check("connections in the queues are the new one's", well and answered == 30, answered)
        for pid in old:
            os.kill(pid, signal.SIGCONT)
        for s in waiting:
            s.close()


def test_failures():
    with replaced("--load-timeout", "2", workers=2, listen=("127.0.0.1:0", "unix:{work}/socket")) as server:
        port, first = server.ports()[0], server.pid

        def goes_on(name, text):
            mark = len(server.log())
            os.kill(first, signal.SIGUSR2)
            server.wait_for("this one goes on", after=mark)
            told = server.log()[mark:]
            with server.connect(port) as s:
                check(f"{name}: the old one goes on", ask(s)[1] == b"hello" and server.current() == first)
            check(f"{name}: it says why", text in told, told)
            check(f"{name}: the unix socket is there still", os.path.exists(server.work + "/socket"))
            check(f"{name}: the control socket is its own", f"pid {first}\n" in server.ctl("status").stdout)
        os.rename(server.bin + "/httpsrv", server.bin + "/away")
        goes_on("no file", "No such file")
        with open(server.bin + "/httpsrv", "w", encoding="ascii") as f:
            f.write("nonsense")
        os.chmod(server.bin + "/httpsrv", 0o755)
        goes_on("a file that is no program", "Exec format error")
        server.replace("/bin/false")
        goes_on("a program that ends", "status 1")
        server.replace()
        server.write("a.lua", "nonsense here")
        goes_on("scripts that do not load", "a.lua:1:")
        server.write("a.lua", HELLO)
        server.write("config.lua", "return { nothing = 1 }")
        goes_on("a bad configuration", "unknown setting 'nothing'")
        server.write("config.lua", "return {}")
        server.replace(program(server.work, READY_AND_GONE))
        os.kill(first, signal.SIGUSR2)
        wait_until(lambda: state(first) == "T" and "Z" in [state(pid) for pid in server.workers(first)])
        os.kill(first, signal.SIGCONT)
        server.wait_for("ended with status 3")
        with server.connect(port) as s:
            check("one that is ready, and has ended when that is heard: the old one goes on", ask(s)[1] == b"hello" and server.current() == first)
        server.replace()
        check("and then it works", server.upgrade())
        with server.connect(port) as s:
            check("the new one serves", ask(s)[1] == b"hello")


def test_a_master_that_dies_while_it_is_replaced():
    with place() as work:
        server = Replaced(work, "--admin", "unix:{work}/sadmin", workers=2, listen=("127.0.0.1:0", "unix:{work}/socket"))
        port, workers = server.ports()[0], server.workers()
        server.replace(program(work, ORPHAN % HTTPSRV))
        check("the new one takes over all the same", server.upgrade(), server.log()[-600:])
        server.process.wait()
        with server.connect(port) as s, server.connect_unix() as local, server.connect_unix("sadmin") as admin:
            check("at the same sockets", ask(s)[1] == b"hello" and ask(local)[1] == b"hello" and ask(admin, "/ready")[1] == b"ready\n")
        check("the workers of the first are gone", len(workers) == 2 and wait_until(lambda: not any(map(alive, workers))), workers)
        server.replace()
        check("and it can be replaced", server.upgrade())
        server.stop()
        check("no socket is left", not [x for x in os.listdir(work) if x.startswith("s")], os.listdir(work))


def test_many_sockets():
    # More than the kernel keeps of messages that nobody has read.
    with replaced(workers=1, listen=("127.0.0.1:0",) * 400) as server:
        check("an upgrade with 400 sockets", server.upgrade())
        served = 0
        for port in server.ports():
            with server.connect(port) as s:
                served += (got := ask(s)) is not None and got[1] == b"hello"
        check("all of them are served", served == 400, served)


def test_other_settings():
    with replaced(workers="auto", listen=(), control=True, wait=False) as server:
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        server.process.kill()
        server.process.wait()
        with open(server.work + "/pid", "w", encoding="ascii") as f:
            f.write("")
        config = "return { workers = %d, listen = { '127.0.0.1:%d'%s } }"
        server.write("config.lua", config % (2, port, ""))
        argv = [x for x in server.argv if x not in ("--workers", "auto")]
        with open(server.log_path, "a", encoding="utf-8") as log:
            import subprocess
            server.process = subprocess.Popen(argv, stdout=log, stderr=log, cwd=server.work)
        server.masters = [server.process.pid]
        server.wait_for(" serves " + server.app)
        dropped = None
        for workers in (4, 1, 3, 2):
            server.write("config.lua", config % (workers, port, f", 'unix:{server.work}/s{workers}'"))
            well = server.upgrade()
            served = 0
            for _ in range(40):  # whichever queue they come to
                with server.connect(port) as s:
                    s.settimeout(5)
                    served += (got := ask(s)) is not None and got[1] == b"hello"
            check(f"{workers} workers after an upgrade: every queue has somebody", well and served == 40 and
                  wait_until(lambda: len(server.workers(server.current())) == workers), (well, served))
            with server.connect_unix(f"s{workers}") as s:
                check("a new address is opened", ask(s)[1] == b"hello")
            check("one that is given up is closed, and its file removed", dropped is None or wait_until(lambda: is_closed(dropped)), dropped)
            dropped = f"{server.work}/s{workers}"


def test_manager():
    with place() as work, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(work + "/notify")
        manager.settimeout(30)
        heard = []

        def hears(line):
            while not heard or line not in heard[-1].split("\n"):
                heard.append(manager.recv(4096).decode())
            return True
        server = Replaced(work, workers=1, popen={"env": {**os.environ, "NOTIFY_SOCKET": work + "/notify", "WATCHDOG_USEC": "500000"}})
        hears("READY=1")
        server.write("a.lua", "nonsense here")
        os.kill(server.pid, signal.SIGUSR2)
        hears("STATUS=serves; could not be replaced")
        check("of one that fails nothing is heard", not any("STOPPING" in x for x in heard), heard)
        server.write("a.lua", HELLO)
        well = server.upgrade()
        check("MAINPID comes from the old one", well and hears(f"MAINPID={server.current()}") and "READY=1" not in heard[-1], heard[-1])
        check("READY from the new one", hears("READY=1") and f"MAINPID={server.current()}" in heard[-1], heard[-1])
        wait_until(lambda: not alive(server.pid))
        heard.clear()
        check("which feeds the watchdog", hears("WATCHDOG=1"))
        check("no STOPPING in between", not any("STOPPING" in x for x in heard))
        status = server.stop()
        check("the end", status == 0 and hears("STOPPING=1"), status)


def test_without_workers():
    with place() as work:
        server = Server(work, workers=0)
        server.process.send_signal(signal.SIGUSR2)
        server.wait_for("cannot be replaced")
        with server.connect() as s:
            check("a server without workers says that it cannot, and goes on", ask(s)[1] == b"hello")
        check("the end", server.stop() == 0)


run_tests(globals())

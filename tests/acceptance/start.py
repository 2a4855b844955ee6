#!/usr/bin/env python3
"""start.py - how a server process begins: as whom it runs, the file of its pid, sockets that are handed in, and what a service manager hears."""
import os
import pwd
import resource
import signal
import socket
import stat
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from serving import HELLO, HTTPSRV, Server, ask, check, place, run_tests, wait_until  # noqa: E402

ROOT = os.geteuid() == 0
NOBODY = pwd.getpwnam("nobody")


def ids(pid):
    """Real, effective, saved and file-system user and group, and supplementary groups."""
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        fields = {x.split(":")[0]: x.split(":")[1].split() for x in f if x.startswith(("Uid:", "Gid:", "Groups:", "CapEff:", "CapPrm:"))}
    return fields


def is_nobody(pid):
    got = ids(pid)
    return (set(got["Uid"]) == {str(NOBODY.pw_uid)} and set(got["Gid"]) == {str(NOBODY.pw_gid)} and set(got["Groups"]) <= {str(NOBODY.pw_gid)} and
            int(got["CapEff"][0], 16) == 0 and int(got["CapPrm"][0], 16) == 0)


def test_user():
    if not ROOT:
        check("the user changes, for root only # SKIP", True)
        return
    for workers in (0, 2):
        with place() as work:
            os.chmod(work, 0o755)
            os.makedirs(work + "/run")
            server = Server(work, "--user", "nobody", "--pid-file", "{work}/run/pid", workers=workers, control=False,
                            listen=("127.0.0.1:0", "unix:{work}/run/socket,mode=0660"))
            everybody = [server.pid, *server.workers()]
            check(f"{workers} workers: every process is nobody's, without a way back", len(everybody) == 1 + workers and all(map(is_nobody, everybody)),
                  [ids(p) for p in everybody])
            st = os.stat(work + "/run/socket")
            check("the unix socket is its user's", (st.st_uid, st.st_gid, stat.S_IMODE(st.st_mode)) == (NOBODY.pw_uid, NOBODY.pw_gid, 0o660), st)
            with server.connect() as s:
                check("it serves", ask(s)[1] == b"hello")
            if workers:
                os.kill(everybody[1], signal.SIGKILL)
                check("so is a worker that comes later", wait_until(lambda: sum(map(is_nobody, server.workers())) == workers and everybody[1] not in server.workers()))
                server.write("a.lua", HELLO.replace('"hello"', 'os.execute("test $(id -u) = %d") == 0 and "nobody" or "somebody"' % NOBODY.pw_uid))
                server.process.send_signal(signal.SIGHUP)
                server.wait_for("reloaded " + server.app)
                with server.connect() as s:
                    check("and what scripts start", ask(s)[1] == b"nobody")
            check("it ends", server.stop() == 0)
            check("the file of the pid that it may not remove is empty", os.path.getsize(work + "/run/pid") == 0)


def test_logs_of_a_user():
    if not ROOT:
        check("logs are given to the user, for root only # SKIP", True)
        return
    with place() as work:
        os.chmod(work, 0o755)
        os.makedirs(work + "/logs")
        server = Server(work, "--user", "nobody", "--access-log", "{work}/logs/access", workers=1, control=False)
        with server.connect() as s:
            ask(s)

        def logged():
            with open(work + "/logs/access", encoding="utf-8") as f:
                return "/hello" in f.read()
        check("a log in a directory of root's is written", wait_until(logged))
        check("the file is the user's", os.stat(work + "/logs/access").st_uid == NOBODY.pw_uid)
        os.rename(work + "/logs/access", work + "/logs/access.1")
        with open(work + "/logs/access", "w", encoding="ascii"):
            os.chown(work + "/logs/access", NOBODY.pw_uid, NOBODY.pw_gid)  # as logrotate's create does
        server.process.send_signal(signal.SIGUSR1)

        def again():
            with server.connect() as s:
                ask(s)
            return logged()
        check("and opened anew", wait_until(again, pause=0.1))
        check("it ends", server.stop() == 0)


def test_user_in_its_own_directory():
    if not ROOT:
        check("the user's directory, for root only # SKIP", True)
        return
    with place() as work:
        os.chown(work, NOBODY.pw_uid, NOBODY.pw_gid)
        server = Server(work, "--user", str(NOBODY.pw_uid), "--group", str(NOBODY.pw_gid), "--pid-file", "{work}/pid", workers=1)
        check("a user by number", is_nobody(server.pid))
        st = os.stat(work + "/control")
        check("the control socket is its user's alone", (st.st_uid, stat.S_IMODE(st.st_mode)) == (NOBODY.pw_uid, 0o600))
        check("and root is listened to", server.ctl("status").returncode == 0)
        check("it ends", server.stop() == 0)
        check("the file of the pid is gone", not os.path.exists(work + "/pid"))


def test_users_that_cannot_be():
    with place() as work:
        os.chmod(work, 0o755)
        os.makedirs(work + "/app")
        with open(work + "/app/a.lua", "w", encoding="ascii") as f:
            f.write(HELLO)

        def fails(*options, **more):
            done = subprocess.run([HTTPSRV, "serve", work + "/app", "--listen", "127.0.0.1:0", "--control", "none", *options], capture_output=True,
                                  text=True, timeout=60, check=False, cwd="/", **more)
            return done.returncode == 1 and done.stderr
        check("an unknown user is refused", "no user 'no-such-user'" in str(fails("--user", "no-such-user")))
        check("an unknown group too", "no group 'no-such-group'" in str(fails("--group", "no-such-group")))
        check("a number without a name needs a group", "group must be named" in str(fails("--user", "123456789")))
        if ROOT:
            why = fails("--user", "root", user=NOBODY.pw_uid, group=NOBODY.pw_gid, extra_groups=[])
            check("who is not root becomes nobody else", "only root may" in str(why), why)
            done = subprocess.Popen([HTTPSRV, "serve", work + "/app", "--listen", "127.0.0.1:0", "--control", "none", "--user", "nobody", "--workers", "1"],
                                    stderr=subprocess.PIPE, text=True, user=NOBODY.pw_uid, group=NOBODY.pw_gid, extra_groups=[], cwd="/")
            line = done.stderr.readline()
            done.terminate()
            done.stderr.close()
            check("who is that user already needs no right", " serves " in line and done.wait(30) == 0, line)


def test_pid_file():
    for workers in (0, 1):
        with place() as work:
            with open(work + "/pid", "w", encoding="ascii") as f:
                f.write("1\n")  # somebody's who is alive, and no server
            server = Server(work, "--pid-file", "{work}/pid", workers=workers)
            with open(work + "/pid", encoding="ascii") as f:
                check("the file of the pid says the number", f.read() == f"{server.pid}\n")
            check("nothing else is left beside it", sorted(os.listdir(work)) == ["app", "control", "control.admin", "log", "pid"], os.listdir(work))
            check("it ends", server.stop() == 0)
            check("and the file with it", not os.path.exists(work + "/pid"))
            server = Server(work, "--pid-file", "{work}/pid", workers=workers)
            with open(work + "/pid", "w", encoding="ascii") as f:
                f.write("1\n")
            check("it ends", server.stop() == 0)
            check("a file that says something else stays", os.path.exists(work + "/pid"))
            server = Server(work, "--pid-file", "{work}/nowhere/pid", workers=workers, wait=False)
            check("a file that cannot be is an error", server.process.wait(30) == 1 and "nowhere/pid" in server.log())


def test_descriptors():
    with place() as work:
        server = Server(work, workers=1, popen={"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, 1000))})
        for pid in [server.pid, *server.workers()]:
            with open(f"/proc/{pid}/limits", encoding="ascii") as f:
                limits = next(x.split()[3:5] for x in f if x.startswith("Max open files"))
            check("the limit of descriptors is raised", limits == ["1000", "1000"], limits)
        check("it ends", server.stop() == 0)


# --- sockets that are handed in ---

ACTIVATE = """
import os, sys
fds = [int(x) for x in sys.argv[1].split(",")]
temporary = [os.dup(fd) for fd in fds]
temporary = [os.fdopen(fd, closefd=False).fileno() for fd in temporary]
high = [os.open("/dev/null", os.O_RDONLY) for _ in range(20)]
kept = []
import fcntl
for fd in temporary:
    kept.append(fcntl.fcntl(fd, fcntl.F_DUPFD, 100))
for i, fd in enumerate(kept):
    os.dup2(fd, 3 + i, inheritable=True)
os.closerange(3 + len(kept), 200)
os.environ["LISTEN_PID"] = sys.argv[2] if sys.argv[2] != "self" else str(os.getpid())
os.environ["LISTEN_FDS"] = sys.argv[3] if sys.argv[3] != "all" else str(len(kept))
os.environ["LISTEN_FDNAMES"] = sys.argv[4]
os.execv(sys.argv[5], sys.argv[5:])
"""


def activated(work, sockets, *options, names="", pid="self", number="all", **more):
    command = [sys.executable, "-c", ACTIVATE, ",".join(str(s.fileno()) for s in sockets), pid, number, names, HTTPSRV]
    for s in sockets:
        s.set_inheritable(True)
    return Server(work, *options, command=command, popen={"close_fds": False}, **more)


def listening(family, address):
    s = socket.socket(family)
    s.bind(address)
    s.listen(16)
    return s


def test_activation():
    with place() as work:
        for workers in (0, 2):
            with listening(socket.AF_INET, ("127.0.0.1", 0)) as tcp, listening(socket.AF_UNIX, work + f"/s{workers}") as unix:
                waiting = socket.create_connection(tcp.getsockname(), timeout=20)  # since before there was a server
                server = activated(work, [tcp, unix], names="web:local", listen=(), workers=workers)
                check("LISTEN_FDS: only those, no default address", server.ports() == [tcp.getsockname()[1]] and "8080" not in server.log())
                check("who waited is served", ask(waiting)[1] == b"hello")
                with server.connect_unix(f"s{workers}") as s:
                    check("unix too", ask(s)[1] == b"hello")
                if workers:
                    os.kill(server.workers()[0], signal.SIGSTOP) # it is shared by all workers: the other one serves
                    served = 0
                    for _ in range(20):
                        with server.connect() as s:
                            served += ask(s)[1] == b"hello"
                    check("it is shared by all workers", served == 20, served)
                    os.kill(server.workers()[0], signal.SIGCONT)
                waiting.close()
                check("it ends", server.stop() == 0)
                check("a socket that was handed in keeps its file", os.path.exists(work + f"/s{workers}"))
        with listening(socket.AF_INET, ("127.0.0.1", 0)) as tcp, listening(socket.AF_INET, ("127.0.0.1", 0)) as other:
            server = activated(work, [tcp, other], "--trusted", "127.0.0.1", names="a:b", listen=("fd:b,proxy", "127.0.0.1:0"))
            ports = server.ports()
            check("with --listen both", len(ports) == 3 and ports[0] == other.getsockname()[1] and ports[2] == tcp.getsockname()[1], ports)
            with server.connect(ports[0]) as s:
                s.sendall(b"PROXY UNKNOWN\r\n")
                check("a name has the options of its --listen", ask(s)[1] == b"hello")
            with server.connect(ports[2]) as s:
                check("the others have none", ask(s)[1] == b"hello")
            check("it ends", server.stop() == 0)
        with listening(socket.AF_INET, ("127.0.0.1", 0)) as tcp:
            server = activated(work, [tcp], pid="1", names="a")
            check("sockets for another process are left alone", tcp.getsockname()[1] not in server.ports())
            check("it ends", server.stop() == 0)
            server = activated(work, [tcp], listen=("fd:nobody",), names="a", wait=False)
            check("a name that nobody handed in is an error", server.process.wait(30) == 1 and "no socket of that name" in server.log())
            for number in ("x", "-1", "99999", "7"):
                server = activated(work, [tcp], number=number, wait=False)
                check(f"LISTEN_FDS={number} is an error", server.process.wait(30) == 1 and "handed in" in server.log())
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as deaf:
            for s in (udp, deaf):
                server = activated(work, [s], listen=(), wait=False)
                check("what does not listen for streams is refused", server.process.wait(30) == 1 and "not a socket that listens" in server.log(), server.log())


# --- what a service manager hears ---

class Manager:
    def __init__(self, work, abstract=False):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.name = f"@httpsrv-test-{os.getpid()}" if abstract else work + "/notify"
        self.socket.bind(self.name.replace("@", "\0", 1) if abstract else self.name)
        self.socket.settimeout(30)
        self.heard = []

    def hears(self, text, seconds=30):
        """Waits for a message that has the line."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.socket.settimeout(max(0.01, end - time.monotonic()))
            try:
                self.heard.append(self.socket.recv(4096).decode())
            except (TimeoutError, socket.timeout):
                break
            if text in self.heard[-1].split("\n"):
                return True
        return False


def test_manager():
    for workers in (0, 2):
        with place() as work:
            manager = Manager(work, abstract=workers == 0)
            environment = {**os.environ, "NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": "400000"}
            server = Server(work, workers=workers, script=HELLO.replace('"hello"', 'os.getenv("NOTIFY_SOCKET") or "none"'), popen={"env": environment})
            check(f"{workers} workers: READY", manager.hears("READY=1"), manager.heard)
            check("scripts cannot speak to the manager", ask(server.connect())[1] == b"none")
            beats = 0
            started = time.monotonic()
            while beats < 5 and manager.hears("WATCHDOG=1"):
                beats += 1
            check("WATCHDOG comes twice in its interval", beats == 5 and time.monotonic() - started > 0.5, time.monotonic() - started)
            server.process.send_signal(signal.SIGHUP)
            check("RELOADING", manager.hears("RELOADING=1"))
            stamp = next((x for x in manager.heard[-1].split("\n") if x.startswith("MONOTONIC_USEC=")), "=0")
            check("with the time", abs(int(stamp.split("=")[1]) / 1e6 - time.monotonic()) < 30, stamp)
            check("and READY again", manager.hears("READY=1"))
            server.write("a.lua", "nonsense here")
            server.process.send_signal(signal.SIGHUP)
            check("after a reload that fails too", manager.hears("RELOADING=1") and manager.hears("READY=1"))
            check("and says so", "STATUS=serves; the last reload has failed" in manager.heard[-1], manager.heard[-1])
            server.process.send_signal(signal.SIGTERM)
            check("STOPPING", manager.hears("STOPPING=1"))
            check("the end", server.process.wait(30) == 0)
            manager.socket.close()
    with place() as work:
        manager = Manager(work)
        server = Server(work, workers=1, popen={"env": {**os.environ, "NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": "200000", "WATCHDOG_PID": "1"}})
        check("READY", manager.hears("READY=1"))
        check("a watchdog of another process is not fed", not manager.hears("WATCHDOG=1", 1))
        os.unlink(manager.name)
        manager.socket.close()
        check("a manager that is gone is no reason to fail", server.stop() == 0 and "cannot be told" in server.log())


run_tests(globals())

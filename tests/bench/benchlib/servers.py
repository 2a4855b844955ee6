"""The servers that are compared: how each is started, and which workloads it has."""

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from . import env
from .process import Process

PEERS = env.BENCH / "peers"
LIMIT = "libevent"   # the server that is "the limit" in the ratios
RIVAL = "nginx"      # the peer in the ratios


@dataclass
class Server:
    """name is the key everywhere, label is for people; lua: it runs handlers in Lua (or JavaScript)."""
    name: str
    label: str
    lua: bool
    command: object = field(repr=False)           # function(port, run directory) -> (command, environment)
    files: bool = True                            # it can serve files
    single: list = field(default_factory=list)    # arguments that make it one process, for callgrind
    instructions: float = 1.0                     # share of the workload's counts for callgrind; 0: it cannot run it
    only: tuple = ()                              # the only workloads it takes part in
    bound: bool = True                            # counts as one of the best in the run
    max_connections: int = 16000

    def has(self, workload):
        if self.only and workload.key not in self.only:
            return False
        return (self.lua or not workload.lua) and (self.files or not workload.file)

    def start(self, wrap=(), wait=20.0, environment=None):
        """Starts it on a free port. wrap goes before the command (valgrind …). Raises env.Unavailable."""
        port = env.free_port()
        run = env.OUT / "run" / self.name
        run.mkdir(parents=True, exist_ok=True)
        command, needed = self.command(port, run)
        if wrap:
            command = [*wrap, *command, *self.single]
        return Process(command, port, {**needed, **(environment or {})}, log=run / "log", wait=wait)


def render(template, run, **values):
    """Fills in @NAMES@ and returns the path of the result."""
    text = (PEERS / template).read_text()
    for name, value in {"PEERS": PEERS, "RUN": run, "FILES": env.files_directory(), **values}.items():
        text = text.replace(f"@{name}@", str(value))
    path = run / template
    path.write_text(text)
    return path


def _reference(name, gather=1):
    def command(port, _run):
        return [env.OUT / name, "-d", env.files_directory(), "-g", str(gather), str(port)], {}
    return command


def _nginx(port, run):
    root = env.unpack("nginx")
    user = "user root;" if os.geteuid() == 0 else ""
    conf = render("nginx.conf", run, PORT=port, ROOT=root, LIB=env.library_paths(root)[0], USER=user)
    return [root / "usr/sbin/nginx", "-p", run, "-e", "stderr", "-c", conf], env.library_environment(root)


def _lighttpd(port, run):
    root = env.unpack("lighttpd")
    conf = render("lighttpd.conf", run, PORT=port)
    environment = env.library_environment(root)
    environment["LUA_CPATH"] = env.library_paths(root)[0] + "/lua/5.4/?.so"
    return [root / "usr/sbin/lighttpd", "-D", "-m", root / "usr/lib/lighttpd", "-f", conf], environment


def _haproxy(port, run):
    root = env.unpack("haproxy")
    conf = render("haproxy.cfg", run, PORT=port, LIB=env.library_paths(root)[0])
    return [root / "usr/sbin/haproxy", "-db", "-q", "-f", conf], env.library_environment(root)


def _node(port, _run):
    node = env.tool("node")
    return [node.path, PEERS / "node.js", str(port), env.files_directory()], node.environment


def httpsrv(handlers, name="httpsrv", label="httpsrv", more="", **options):
    """httpsrv serving a directory. HTTPSRV_BENCH_ARGS in the environment are further options for all of them."""
    def command(port, _run):
        if not os.access(env.HTTPSRV, os.X_OK):
            raise env.Unavailable(f"{env.HTTPSRV} is not built")
        further = (os.environ.get("HTTPSRV_BENCH_ARGS", "") + " " + more).split()
        return ([env.HTTPSRV, "serve", Path(handlers), "--workers", "0", "--listen", f"127.0.0.1:{port}",
                 "--load-timeout", "300", *further],  # under callgrind everything takes fifty times as long
                {"HTTPSRV_BENCH_FILES": str(env.files_directory())})
    return Server(name, label, True, command, **options)


ALL = [
    Server("epoll", "epoll in C", False, _reference("ref_epoll")),
    Server("libevent", "libevent in C", False, _reference("ref_libevent")),
    # What a stream costs when 256 KiB leave in each write and no byte of it was ever made or copied.
    Server("gathered", "epoll in C, 256 KiB writes", False, _reference("ref_epoll", 16), only=("W4",), bound=False),
    httpsrv(env.BENCH / "handlers"),
    Server("nginx", "nginx + Lua", True, _nginx, single=["-g", "master_process off;"], max_connections=16000),
    Server("lighttpd", "lighttpd magnet", True, _lighttpd, instructions=0.3, max_connections=9900),
    Server("haproxy", "HAProxy Lua", True, _haproxy, files=False, instructions=0.1, max_connections=9900),
    Server("node", "Node", True, _node, instructions=0),
]
# HTTPSRV_BENCH_LOG_ARGS in the environment are the options that turn the access log on: httpsrv once more, with them.
if os.environ.get("HTTPSRV_BENCH_LOG_ARGS"):
    ALL.insert(4, httpsrv(env.BENCH / "handlers", "httpsrv_log", "httpsrv, access log",
                          os.environ["HTTPSRV_BENCH_LOG_ARGS"], only=("W1",), bound=False))
BY_NAME = {server.name: server for server in ALL}


def start(names):
    """Starts the servers of the names. Returns {name: Process} and {name: why it is missing}."""
    running, missing = {}, {}
    for name in names:
        try:
            running[name] = BY_NAME[name].start()
        except env.Unavailable as error:
            missing[name] = str(error)
    return running, missing


def version(name):
    """The packages that a server was unpacked from, or what is known of it."""
    packages = env.OUT / "peers" / name / "VERSIONS"
    if packages.exists():
        return packages.read_text().strip()
    if name == "node":
        return subprocess.run([env.tool("node").path, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    return ""

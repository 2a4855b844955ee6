"""Where things are, which tools there are, and what the benchmark changes on the machine and puts back.

Everything that is made goes below build/bench (BUILD= chooses another build directory). Programs that are missing are
unpacked there from Debian's packages and run from there: nothing is installed, so a benchmark can neither replace the
LuaJIT that the project is built with nor leave anything behind.
"""

import atexit
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

BENCH = Path(__file__).resolve().parents[1]
TOP = BENCH.parents[1]
BUILD = Path(os.environ.get("BUILD") or TOP / "build").resolve()
OUT = BUILD / "bench"
HTTPSRV = Path(os.environ.get("HTTPSRV") or TOP / "httpsrv").resolve()
QUICK = os.environ.get("QUICK", "") not in ("", "0")

CONGESTION = Path("/proc/sys/net/ipv4/tcp_congestion_control")
CFLAGS = ["-O2", "-g", "-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"]
PROGRAMS = {
    "ref_epoll": (["ref_epoll.c", "ref_app.c"], []),
    "ref_libevent": (["ref_libevent.c", "ref_app.c"], ["-levent_core"]),
    "closedloop": (["closedloop.c", "client.c", "hist.c"], []),
    "openloop": (["openloop.c", "client.c", "hist.c"], []),
}

# What is unpacked where, when it is needed. A name with a question mark is a library under the name that one release or
# another of the system has for it: taken where it exists.
PACKAGES = {
    "nginx": ["nginx", "libnginx-mod-http-lua", "libnginx-mod-http-ndk", "lua-resty-core", "lua-resty-lrucache", "lua-cjson",
              "libluajit2-5.1-2?", "libpcre3?", "libpcre2-8-0?", "libssl3?", "zlib1g?"],
    "lighttpd": ["lighttpd", "lighttpd-modules-lua", "lua-cjson", "liblua5.4-0?", "libnettle8?", "libxxhash0?",
                 "libpcre2-8-0?"],
    "haproxy": ["haproxy", "lua-cjson", "liblua5.3-0?", "liblua5.4-0?", "libopentracing-c-wrapper0?", "libopentracing1?",
                "libpcre2-8-0?", "libssl3?", "libsystemd0?"],
    "node": ["nodejs", "libnode108?", "libnode115?", "libuv1?", "libc-ares2?", "libcares2?", "libicu72?", "libnghttp2-14?",
             "libbrotli1?", "libssl3?"],
    "wrk": ["wrk", "libluajit-5.1-2?", "libssl3?"],
    "valgrind": ["valgrind"],
    "strace": ["strace", "libunwind8?"],
}


class Unavailable(Exception):
    """Something that the benchmark can do without is not to be had here; the text says what and why."""


def say(*words):
    print(*words, flush=True)


def note(*words):
    """Progress, for whoever watches; not part of the result."""
    print(*words, file=sys.stderr, flush=True)


# --- the end ---------------------------------------------------------------------------------------------------------

_at_end = []


def at_end(function):
    """Calls function at the end, however the run ends (kill -9 excepted), last registered first."""
    _at_end.append(function)


def _finish():
    while _at_end:
        try:
            _at_end.pop()()
        except Exception as error:  # the other things must be put back all the same
            note("bench:", error)


def _on_signal(number, _frame):
    sys.exit(128 + number)


_lock = None  # open, and so held, until the process ends


def start_run(wait=0.0):
    """To be called first: takes the lock (one benchmark at a time; waits for it so many seconds) and sees to it that
    everything is put back at the end."""
    global _lock
    OUT.mkdir(parents=True, exist_ok=True)
    _lock = open(OUT / "lock", "w")
    deadline = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(_lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() >= deadline:
                sys.exit(f"bench: another benchmark is running in {OUT}")
            time.sleep(0.5)
    atexit.register(_finish)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, _on_signal)
    _restore_congestion_of_last_run()


# --- congestion control ----------------------------------------------------------------------------------------------

def _restore_congestion_of_last_run():
    """A run that was killed could not put the congestion control back."""
    saved = OUT / "congestion.saved"
    if saved.exists():
        try:
            CONGESTION.write_text(saved.read_text())
            saved.unlink()
        except OSError:
            pass


def use_cubic():
    """Sets the congestion control to cubic for this run where that is possible; returns a line that says what is in
    force. Some others pace, which on loopback measures the pacing."""
    try:
        before = CONGESTION.read_text().strip()
    except OSError:
        return "congestion control: unknown"
    if before == "cubic":
        return "congestion control: cubic"
    saved = OUT / "congestion.saved"
    try:
        saved.write_text(before)
        CONGESTION.write_text("cubic")
    except OSError as error:
        saved.unlink(missing_ok=True)
        return f"congestion control: {before} (cannot set cubic: {error.strerror}; W4 and W5 depend on it)"
    at_end(_restore_congestion_of_last_run)
    return f"congestion control: cubic for this run ({before} before and after)"


# --- programs --------------------------------------------------------------------------------------------------------

def compile_programs():
    """Builds the reference servers and the load generators."""
    headers = [path.stat().st_mtime for path in BENCH.glob("*.h")]
    for name, (sources, libraries) in PROGRAMS.items():
        target = OUT / name
        files = [BENCH / source for source in sources]
        newest = max([path.stat().st_mtime for path in files] + headers)
        if target.exists() and target.stat().st_mtime >= newest:
            continue
        command = [os.environ.get("CC", "cc"), *CFLAGS, *map(str, files), "-o", str(target), *libraries]
        subprocess.run(command, check=True)


def _apt(*arguments, **options):
    """None when apt-get did it, else its last word."""
    command = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", *arguments]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                          timeout=300, check=False, **options)
    return None if done.returncode == 0 else (done.stderr.strip().splitlines() or ["apt-get failed"])[-1]


def _download(packages, store):
    """Fetches packages into a directory; raises Unavailable."""
    needed = [package for package in packages if not package.endswith("?")]
    wrong = _apt("download", *needed, cwd=store)
    if wrong:
        _apt("update")
        wrong = _apt("download", *needed, cwd=store)
    if wrong:
        raise Unavailable(f"apt-get download: {wrong}")
    for package in packages:
        if package.endswith("?"):
            _apt("download", package[:-1], cwd=store)


def unpack(name):
    """The directory with the packages of PACKAGES[name], unpacked; raises Unavailable."""
    root = OUT / "peers" / name
    if root.exists():
        return root
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise Unavailable(f"{name}: there is no apt-get here, and {name} is not unpacked in {root}")
    note(f"bench: fetching {name} (unpacked below {OUT}, not installed)")
    store, part = (OUT / "peers" / (name + suffix) for suffix in (".packages", ".part"))
    for directory in (store, part):
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
    _download(PACKAGES[name], store)
    packages = sorted(store.glob("*.deb"))
    for package in packages:
        subprocess.run(["dpkg-deb", "-x", str(package), str(part)], check=True)
    names = [package.name.rsplit("_", 1)[0].replace("%3a", ":") for package in packages]
    (part / "VERSIONS").write_text(", ".join(names) + "\n")
    shutil.rmtree(store)
    part.rename(root)
    return root


def library_paths(root):
    """The directories of shared libraries in an unpacked tree, the one with Lua modules first."""
    return [str(path) for path in sorted(root.glob("usr/lib/*-linux-gnu")) + sorted(root.glob("lib/*-linux-gnu"))]


def library_environment(root):
    return {"LD_LIBRARY_PATH": ":".join(library_paths(root))}


class Tool:
    """A program, from PATH or unpacked."""

    def __init__(self, name, program=None, path=None):
        self.environment = {}
        self.path = shutil.which(path or name)
        if self.path is None:
            root = unpack(name)
            self.path = str(root / "usr/bin" / (program or name))
            self.environment = library_environment(root)
            if name == "valgrind":
                self.environment["VALGRIND_LIB"] = str(root / "usr/libexec/valgrind")
        if not os.access(self.path, os.X_OK):
            raise Unavailable(f"{name}: {self.path} cannot be run")
        self.directory = str(Path(self.path).parent)


_tools = {}


def tool(name):
    """The Tool of a name, or raises Unavailable."""
    if name not in _tools:
        _tools[name] = Tool(name, "node" if name == "node" else None)
    return _tools[name]


# --- the machine -----------------------------------------------------------------------------------------------------

def cores():
    """The cores for the server and for the load: the first two that this process may use."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[1] if len(usable) > 1 else usable[0]


_next_port = 20000 + os.getpid() % 500 * 4


def free_port():
    """A TCP port on loopback that nobody uses, below the range that the kernel hands out itself."""
    global _next_port
    for _ in range(4000):
        _next_port = 20000 + (_next_port - 20000 + 1) % 8000
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", _next_port))
                return _next_port
            except OSError:
                continue
    raise SystemExit("bench: no free port")


def files_directory():
    """The directory with the files of W5, made when it is not there."""
    directory = OUT / "files"
    directory.mkdir(parents=True, exist_ok=True)
    for name, size in (("100k.bin", 100 * 1024), ("10m.bin", 10 * 1024 * 1024)):
        path = directory / name
        if not path.exists() or path.stat().st_size != size:
            path.write_bytes(os.urandom(size))
    return directory


def machine():
    """What to know of the machine when reading the figures."""
    model = "unknown"
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    except OSError:
        pass
    server, load = cores()
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "kernel": os.uname().release,
        "server_core": server,
        "load_core": load,
        "when": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        "load_average": os.getloadavg()[0],
    }


def write_json(path, value):
    part = Path(str(path) + ".part")
    part.write_text(json.dumps(value, indent=1) + "\n")
    part.rename(path)

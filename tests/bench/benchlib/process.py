"""A server process: started on its core, looked at through /proc, and ended by its id."""

import ctypes
import os
import resource
import signal
import socket
import subprocess
import time
from pathlib import Path

from . import env

TICK_US = 1e6 / os.sysconf("SC_CLK_TCK")
_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1


def _child(core, files):
    """What a child does before it becomes the program: die with the benchmark, stay on its core, have descriptors."""
    def prepare():
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        os.sched_setaffinity(0, {core})
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(files, soft, hard), max(files, hard)))
        except (ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        os.setpgid(0, 0)
    return prepare


def spawn(command, core, environment=None, files=65536, **options):
    """subprocess.Popen on one core, with its own process group, that ends with this process."""
    return subprocess.Popen([str(word) for word in command], preexec_fn=_child(core, files),
                            env={**os.environ, **(environment or {})}, **options)


def _children(pid):
    """The children of a process; those of all its threads."""
    found = []
    for task in os.listdir(f"/proc/{pid}/task"):
        found += map(int, Path(f"/proc/{pid}/task/{task}/children").read_text().split())
    return found


def _tree(root):
    """root and all its descendants that there are now."""
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        try:
            waiting.extend(_children(pid))
            found.append(pid)
        except OSError:
            continue  # gone meanwhile
    return found


class Process:
    """A running server, with its worker processes."""

    def __init__(self, command, port, environment=None, log=None, core=None, wait=20.0, files=65536):
        self.port = port
        self.log = log
        output = open(log, "wb") if log else subprocess.DEVNULL
        self.started = time.monotonic()
        self.popen = spawn(command, env.cores()[0] if core is None else core, environment, files,
                           stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        if log:
            output.close()
        env.at_end(self.stop)
        self._await_port(wait)

    @property
    def pids(self):
        """All its processes: a master may start its workers after it began to listen."""
        return _tree(self.popen.pid)

    def _await_port(self, seconds):
        while time.monotonic() - self.started < seconds:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                if self.popen.poll() is not None:
                    break
                time.sleep(0.01)
        self.stop()
        text = Path(self.log).read_text(errors="replace").strip()[-800:] if self.log else ""
        raise env.Unavailable(f"did not start: {text or 'nothing said'}")

    def alive(self):
        return self.popen.poll() is None

    def stop(self):
        if self.popen.poll() is None:
            self.popen.terminate()
            try:
                self.popen.wait(5)
            except subprocess.TimeoutExpired:
                pass
        if self.popen.poll() is None:
            try:
                os.killpg(self.popen.pid, signal.SIGKILL)  # the group was made for it, and has its id
            except ProcessLookupError:
                pass
            self.popen.wait()

    # The kernel keeps a process's time in nanoseconds (schedstat) and splits it into user and system by what its
    # clock ticks fell on (stat). The total is taken from the former where there is one: it has no tick to round to.

    def cpu(self):
        """CPU time so far: {"user", "system", "total"} in microseconds; user and system are whole ticks."""
        user = system = total = 0.0
        for pid in self.pids:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            user += int(fields[11]) * TICK_US
            system += int(fields[12]) * TICK_US
            for task in os.listdir(f"/proc/{pid}/task"):
                try:
                    total += int(Path(f"/proc/{pid}/task/{task}/schedstat").read_text().split()[0]) / 1e3
                except (OSError, IndexError):
                    pass
        return {"user": user, "system": system, "total": total or user + system}

    def memory(self):
        """Resident and unique memory in bytes, of all its processes."""
        rss = uss = 0
        for pid in self.pids:
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                name, _, rest = line.partition(":")
                if name == "Rss":
                    rss += int(rest.split()[0]) * 1024
                elif name in ("Private_Clean", "Private_Dirty"):
                    uss += int(rest.split()[0]) * 1024
        return {"rss": rss, "uss": uss}

    def descriptors(self):
        return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in self.pids)

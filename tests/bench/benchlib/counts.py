"""Figures free of noise: user-space instructions (callgrind) and system calls (strace) per request.

Instructions: the server runs under callgrind, is warmed up far beyond what its compiler needs to see, and then answers
a short and a long run over the same open connections; the difference of the two, over the difference in requests, has
no connection set-up and no start-up in it.

System calls: strace is attached to the running server while it answers an exact number of requests.
"""

import re
import signal
import subprocess
import time
from pathlib import Path

from . import env
from .load import ClosedLoop
from .process import spawn


class Callgrind:
    """A server under callgrind; count() measures one workload after another on it."""

    def __init__(self, server, environment=None):
        self.tool = env.tool("valgrind")
        self.name = server.name
        self.out = env.OUT / "callgrind" / server.name
        self.out.mkdir(parents=True, exist_ok=True)
        for old in self.out.glob("*.out*"):
            old.unlink()
        wrap = [self.tool.path, "--tool=callgrind", "--quiet", f"--callgrind-out-file={self.out}/all.out",
                "--compress-strings=no", "--compress-pos=no"]  # later dumps would refer to the names in the first
        self.process = server.start(wrap, wait=60.0, environment={**self.tool.environment, **(environment or {})})
        self.dumps = 0

    def close(self):
        self.process.stop()

    def _dump(self):
        """The instructions since the last dump, and the file with their tree."""
        control = [self.tool.directory + "/callgrind_control", "--dump", str(self.process.popen.pid)]
        done = subprocess.run(control, capture_output=True, text=True, timeout=60, env=self._environment(), check=False)
        self.dumps += 1
        path = Path(f"{self.out}/all.out.{self.dumps}")
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if path.exists():
                found = re.search(r"^totals: (\d+)", path.read_text(errors="replace"), re.M)
                if found:
                    return int(found.group(1)), path
            time.sleep(0.02)
        raise env.Unavailable(f"callgrind gave no figures: {(done.stdout + done.stderr).strip()[-200:]}")

    def _environment(self):
        import os
        return {**os.environ, **self.tool.environment}

    def count(self, workload, scale=1.0, exactly=None):
        """Instructions per request. The tree of the long run is kept as callgrind/SERVER/WORKLOAD.out. exactly: so many requests
        to warm up, in the short and in the long run, instead of the workload's."""
        warm, short, long = exactly or (max(8, int(number * scale)) for number in workload.counts)
        with ClosedLoop(self.process.port, workload.request_file(), workload.connections, workload.pipeline,
                        patience=600) as load:
            load.requests(warm)
            self._dump()[1].unlink()
            load.requests(short)
            first, path = self._dump()
            path.unlink()
            load.requests(long)
            second, path = self._dump()
            path.rename(self.out / f"{workload.key}.out")
        return (second - first) / (long - short)


def syscalls(process, workload, scale=1.0):
    """System calls per request: {"total": …, "read": …, …}, the most frequent first."""
    tool = env.tool("strace")
    number = max(8, int(workload.syscalls * scale))
    table = env.OUT / "strace.out"
    with ClosedLoop(process.port, workload.request_file(), workload.connections, workload.pipeline) as load:
        load.requests(min(number, 1000))
        targets = [word for pid in process.pids for word in ("-p", pid)]
        tracer = spawn([tool.path, "-f", "-c", "-o", table, *targets], env.cores()[1], tool.environment,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            line = tracer.stderr.readline()
            if b"attached" not in line:
                raise env.Unavailable(f"strace: {line.decode(errors='replace').strip()}")
            time.sleep(0.05)
            load.requests(number)
        finally:
            tracer.send_signal(signal.SIGINT)
            try:
                tracer.communicate(timeout=10)
            except subprocess.TimeoutExpired:
                tracer.kill()
                tracer.communicate()
    counts = {}
    for line in table.read_text().splitlines():
        fields = line.split()
        if len(fields) >= 5 and fields[0].replace(".", "").isdigit() and fields[3].isdigit() and fields[-1] != "total":
            counts[fields[-1]] = int(fields[3]) / number
    table.unlink()
    ordered = dict(sorted(counts.items(), key=lambda item: -item[1]))
    return {"total": sum(ordered.values()), **ordered}

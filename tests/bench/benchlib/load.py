"""Driving load at a server and measuring what it cost.

Two generators for a closed loop: wrk, which everybody knows, and our closedloop, which can run shorter, counts
exactly, and sends nothing while the server is looked at. Both send the same bytes.
"""

import json
import os
import re
import select
import subprocess

from . import env
from .process import spawn

PATIENCE = 120.0


class LoadError(Exception):
    """The load generator ended with an error: nothing was measured."""


class ClosedLoop:
    """A closedloop process with its connections open and one answer seen on each."""

    def __init__(self, port, request_file, connections, pipeline=1, first=None, patience=PATIENCE):
        command = [env.OUT / "closedloop", "-c", connections, "-p", pipeline, "-r", request_file]
        if first:
            command += ["-f", first]
        self.patience = patience
        self.popen = spawn([*command, port], env.cores()[1], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE)
        if self._line() != "ready":
            raise LoadError("closedloop did not get ready")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _line(self):
        """One line of its output."""
        text = b""
        while not text.endswith(b"\n"):
            ready, _, _ = select.select([self.popen.stdout], [], [], self.patience)
            part = os.read(self.popen.stdout.fileno(), 1 << 16) if ready else b""
            if not part:
                why = "no answer in time" if not ready else self.popen.stderr.read().decode(errors="replace").strip()
                self.close()
                raise LoadError(f"closedloop: {why}")
            text += part
        return text.decode().strip()

    def command(self, text):
        """Sends a command and returns its result as a dictionary."""
        try:
            self.popen.stdin.write(text.encode() + b"\n")
            self.popen.stdin.flush()
        except BrokenPipeError:
            pass  # _line() says why
        return json.loads(self._line())

    def requests(self, number):
        return self.command(f"requests {number}")

    def seconds(self, seconds):
        return self.command(f"seconds {seconds}")

    def close(self):
        for stream in (self.popen.stdin, self.popen.stdout, self.popen.stderr):
            try:
                stream.close()
            except OSError:
                pass
        try:
            self.popen.wait(3)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()


def expect(result, body_bytes=None):
    """Raises LoadError when not every answer was a whole 200."""
    if result["not_ok"]:
        raise LoadError(f"{result['not_ok']} of {result['requests']} answers were not 200")
    if body_bytes is not None and result.get("body_bytes") not in (None, result["requests"] * body_bytes):
        raise LoadError(f"{result['body_bytes']} bytes of bodies in {result['requests']} answers of {body_bytes}")


def cost(process, before, result):
    """The figures of a run: what the server's time since `before` was per request, and what the generator saw."""
    after = process.cpu()
    number = result["requests"]
    if number == 0:
        raise LoadError("no request was answered")
    return {
        "cpu_us": (after["total"] - before["total"]) / number,
        "user_ticks_us": after["user"] - before["user"],
        "system_ticks_us": after["system"] - before["system"],
        "requests": number,
        "rps": number / result["seconds"],
        "busy": (after["total"] - before["total"]) / 1e6 / result["seconds"],
        "p50_us": result["p50_us"],
        "p99_us": result["p99_us"] or None,  # wrk gives none for pipelined requests
        "reconnects": result.get("reconnects", 0),
    }


def closedloop(process, workload, seconds, body_bytes=None, warm_up=0.03):
    """Measures for some seconds with closedloop: a dictionary of figures per request."""
    with ClosedLoop(process.port, workload.request_file(), workload.connections, workload.pipeline) as load:
        if warm_up:
            load.seconds(warm_up)
        before = process.cpu()
        result = load.seconds(seconds)
        figures = cost(process, before, result)
    expect(result, body_bytes)
    return figures


def wrk(process, workload, seconds, body_bytes=None, **_ignored):
    """Measures for some (whole) seconds with wrk. The cost of opening the connections is in the figures."""
    tool = env.tool("wrk")
    seconds = max(1, round(seconds))
    before = process.cpu()
    command = [tool.path, "-t1", f"-c{workload.connections}", f"-d{seconds}s", "--timeout", "10s", "-s",
               env.BENCH / "wrk.lua", f"http://127.0.0.1:{process.port}/", "--", workload.request_file(),
               workload.pipeline]
    child = spawn(command, env.cores()[1], tool.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                  stderr=subprocess.STDOUT, text=True)
    try:
        output, _ = child.communicate(timeout=seconds + 20)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        raise LoadError("wrk did not end") from None
    found = re.search(r"^RESULT (\{.*\})$", output, re.M)
    if not found:
        raise LoadError(f"wrk: {output.strip()[-300:]}")
    result = json.loads(found.group(1))
    if result["socket_errors"]:
        raise LoadError(f"wrk: {result['socket_errors']} connections broke or timed out")
    figures = cost(process, before, result)
    expect(result, None)
    if body_bytes is not None and result["bytes"] < result["requests"] * body_bytes:
        raise LoadError(f"wrk: {result['bytes']} bytes in {result['requests']} answers of {body_bytes}")
    return figures


GENERATORS = {"wrk": wrk, "closedloop": closedloop}


def openloop(port, request_file, connections, rate, seconds, warm_up=0.3):
    """Constant rate: the dictionary that openloop prints."""
    command = [env.OUT / "openloop", "-r", request_file, "-c", connections, "-q", rate, "-t", seconds, "-w", warm_up, port]
    child = spawn(command, env.cores()[1], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                  text=True)
    try:
        output, errors = child.communicate(timeout=4 * (seconds + warm_up) + 20)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        raise LoadError(f"openloop: the server does not keep up with {rate:.0f} requests per second") from None
    if child.returncode != 0:
        raise LoadError(f"openloop: {errors.strip()}")
    result = json.loads(output)
    expect(result, None)
    return result

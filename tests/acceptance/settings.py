#!/usr/bin/env python3
"""settings.py - settings that are read again with a reload: which of them change, in every worker or in none, and what is said of the others."""
import os
import random
import re
import signal
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from load import Clients, tcp  # noqa: E402
from serving import HELLO, HTTPSRV, Server, ask, checks_of, place, request, run_tests, serving, wait_until  # noqa: E402

check = checks_of()

SCRIPT = HELLO + """
httpsrv.register("GET", "/error", function() error("planted by worker " .. httpsrv.worker_id()) end)
httpsrv.register("GET", "/slow", function(sess) httpsrv.sleep(1) sess:response_append("slow") end)
"""
LONG = "/hello?" + "a" * 700


def status(s, path="/hello"):
    got = ask(s, path)
    return int(got[0].split()[1]) if got else None


def all_statuses(server, path, n=24):
    """Of that many connections, which reach every worker."""
    found = set()
    for _ in range(n):
        with server.connect() as s:
            found.add(status(s, path))
    return found


def test_change():
    for workers in (0, 2):
        what = f"{workers} workers: "
        with serving(script=SCRIPT, workers=workers) as server:
            kept, other = server.connect(), server.connect()
            status(other)
            check(what + "a long target is served", status(kept, LONG) == 200 and all_statuses(server, LONG) == {200})
            server.write("config.lua", 'return { target_size = 512, listen = "unix:/nowhere", max_body = 5 }')
            got = server.ctl("reload")
            check(what + "the reload says what has changed", got.returncode == 0 and "settings that have changed: target-size, max-body\n" in got.stdout, got)
            check(what + "--listen of the command line goes before that of the file", "restart" not in got.stdout, got)
            check(what + "limits are others in every worker", all_statuses(server, LONG) == {414})
            check(what + "and on connections that are kept", status(kept) == 200 and status(other, LONG) == 414)

            server.write("config.lua", 'return { target_size = 512, max_body = 5, backlog = 7, workers = 3 }')
            for _ in range(2):
                mark = len(server.log())
                got = server.ctl("reload")
                check(what + "what needs a restart is named, each time", "need a restart: backlog\n" in got.stdout and got.returncode == 0, got)
                check(what + "in the log as well", "warn settings that would change, but need a restart: backlog" in server.log()[mark:])

            for text, says in (('return { tagret_size = 1 }', "config.lua:1: unknown setting 'tagret_size' (did you mean target_size?)"),
                               ('return {\n target_size = "x" }', "config.lua:2: target_size: must be a number of bytes"),
                               ('return { target_size = 100, access_log = "/nowhere/at/all" }', "access-log: cannot open /nowhere/at/all: No such file"),
                               ('return { target_size = "32K" }', "target-size: must not be more than head-size"),
                               ('error("planted")', "config.lua:1: planted")):
                server.write("config.lua", text)
                mark = len(server.log())
                got = server.ctl("reload")
                check(what + f"refused: {says}", got.returncode == 1 and says in server.log()[mark:], server.log()[mark:])
            check(what + "and nothing has changed", all_statuses(server, LONG) == {414} and all_statuses(server, "/hello") == {200})
            os.unlink(os.path.join(server.app, "config.lua"))
            mark = len(server.log())
            server.process.send_signal(signal.SIGHUP)
            server.wait_for("settings that have changed: target-size, max-body", after=mark)
            check(what + "without the file the defaults are back", bool(wait_until(lambda: all_statuses(server, LONG) == {200})))
            with server.connect() as s:
                check(what + "a kept connection has lived through all of it", status(s) == 200 and status(kept) == 200)
            kept.close()
            other.close()


def test_new_workers():
    """Workers that die in the midst of reloads, and those that come in their place, go by the same settings as the others."""
    with serving(script=SCRIPT, workers=3) as server:
        wrong = []
        for i in range(12):
            size, expected = ((512, 414), (1024, 200))[i % 2]
            server.write("config.lua", f"return {{ target_size = {size} }}")
            wait_until(lambda: len(server.workers()) == 3)
            victims = server.workers()  # the trial of a reload is none of them
            reload = subprocess.Popen([HTTPSRV, "ctl", "--control", os.path.join(server.work, "control"), "reload"], stdout=subprocess.DEVNULL)
            wait_until(lambda: reload.poll() is not None, random.random() * 0.3)
            for pid in random.sample(victims, min(2, len(victims))):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            if reload.wait(timeout=60) != 0:
                wrong.append((i, "failed"))
            wait_until(lambda: all_statuses(server, LONG) == {expected}, 10)  # one that was being forked may have begun by the former
            found = all_statuses(server, LONG, 40)
            if found != {expected}:
                wrong.append((i, found))
        check("killed workers and their successors go by the settings that hold", not wrong, wrong)


def lines(path):
    try:
        with open(path, encoding="utf-8") as f:
            return f.read().splitlines()
    except FileNotFoundError:
        return []


def test_logs():
    for workers in (0, 2):
        what = f"{workers} workers: "
        with serving(script=SCRIPT, workers=workers) as server:
            a, b, errors = (os.path.join(server.work, x) for x in ("access a", "access b", "errors"))
            server.write("config.lua", f'return {{ access_log = "{a}" }}')
            check(what + "an access log begins", server.ctl("reload").returncode == 0)
            with Clients(tcp(server.ports()[0]), kept=4, new=4) as clients:
                for i in range(10):
                    path, form = ((b, "combined"), (b, "json"), (a, "json"), (a, "combined"))[i % 4]
                    server.write("config.lua", f'return {{ access_log = "{path}", access_log_format = "{form}" }}')
                    if server.ctl("reload").returncode != 0:
                        check(what + "the log moves", False, server.log())
            answers = clients.answered
            server.write("config.lua", f'return {{ error_log = "{errors}", log_level = "warn" }}')
            check(what + "it ends, and the error log goes elsewhere", server.ctl("reload").returncode == 0)
            all_statuses(server, "/error", 40)
            wanted = {f"worker {i}" for i in range(max(1, workers))}
            check(what + "where every worker writes", bool(wait_until(
                lambda: wanted <= set(re.findall(r"planted by (worker \d)", "".join(lines(errors)))))), lines(errors)[-3:])
            check(what + "and messages are of the level", not any(" notice " in x or " info " in x for x in lines(errors)), lines(errors)[:3])
            check(what + "failures are none", clients.failures() == 0, str(clients))
            wait_until(lambda: len(lines(a)) + len(lines(b)) >= answers, 10)
            written = lines(a) + lines(b)
            check(what + "each request has one line, wherever the log was", len(written) == answers and all("/hello" in x for x in written),
                  f"{len(written)} lines, {answers} answers")
            check(what + "in both forms", {x[:1] == "{" for x in lines(a)} == {True, False} == {x[:1] == "{" for x in lines(b)})


def test_who_is_let_in():
    with serving(script=SCRIPT, workers=2) as server:
        kept = server.connect()
        check("one is in", status(kept) == 200)
        server.write("config.lua", 'return { deny = "127.0.0.0/8" }')
        check("deny is new", "changed: deny" in server.ctl("reload").stdout)

        def refused():
            with server.connect() as s:
                try:
                    return status(s) is None
                except ConnectionResetError:
                    return True
        check("who is denied is not let in any more, by no worker", all(refused() for _ in range(20)))
        check("who was in stays", status(kept) == 200)
        server.write("config.lua", "return {}")
        server.ctl("reload")
        check("and is let in again", all_statuses(server, "/hello") == {200})
        server.write("config.lua", "return { max_connections = 6 }")
        server.ctl("reload")
        many = [server.connect() for _ in range(12)]
        for s in many:
            s.sendall(request())
            s.setblocking(False)

        def answered():
            n = 0
            for s in many:
                try:
                    n += s.recv(1, socket.MSG_PEEK) != b""
                except BlockingIOError:
                    pass
            return n
        check("connections have a limit, over all workers", bool(wait_until(lambda: answered() == 6, 10)) and not wait_until(lambda: answered() > 6, 1),
              answered())
        server.write("config.lua", "return { max_connections = 12 }")
        server.ctl("reload")
        check("which is raised for those who wait", bool(wait_until(lambda: answered() == 12, 10)), answered())
        for s in [kept, *many]:
            s.close()


def test_hanging_file():
    with serving(script=SCRIPT, workers=1) as server:
        server.write("config.lua", "while true do end")
        reload = subprocess.Popen([HTTPSRV, "ctl", "--control", os.path.join(server.work, "control"), "reload"], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)
        busy = wait_until(lambda: len(server.workers()) == 2, 20)
        check("a file without an end holds up a process of its own", bool(busy))
        check("and nobody else", "serving" in server.ctl("status").stdout and all_statuses(server, "/hello", 4) == {200} and reload.poll() is None)
        check("until it is ended", reload.wait(timeout=60) == 1 and "took too long" in server.log(), server.log())


def test_user():
    if os.geteuid() != 0:
        check("a file that the user may not read, for root only # SKIP", True)
        return
    with place() as work:
        os.chmod(work, 0o755)
        server = Server(work, "--user", "nobody", script=SCRIPT, workers=1, control=False)
        server.write("config.lua", "return { target_size = 512 }")
        os.chmod(os.path.join(server.app, "config.lua"), 0o600)
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("reload failed, everything stays as it was")
        check("a file that the user may not read fails the reload", "config.lua: Permission denied" in server.log() and all_statuses(server, LONG, 4) == {200})
        os.chmod(os.path.join(server.app, "config.lua"), 0o644)
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("settings that have changed: target-size")
        check("one that it may is read", bool(wait_until(lambda: all_statuses(server, LONG, 4) == {414})))
        check("it ends", server.stop() == 0)


run_tests(globals())

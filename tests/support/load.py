"""load.py - clients that ask again and again, on connections that they keep and on new ones, and count what they were promised: an answer to each request on a
connection that the server keeps, and to each new connection."""
import socket
import threading
import time

from serving import ask


class Clients:
    def __init__(self, connect, kept=8, new=4, path="/hello", pause=0.002, pause_new=None, body=None, host="x"):
        """connect() makes a connection; kept and new ones pause after each answer; body is what an answer has to hold, when that matters."""
        self.connect, self.path, self.body, self.host = connect, path, body, host
        self.pause, self.pause_new = pause, pause if pause_new is None else pause_new
        self.stop = threading.Event()
        self.answered = self.lost = self.refused = self.closed = self.wrong = 0
        self.why = []
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.keep, daemon=True) for _ in range(kept)]
        self.threads += [threading.Thread(target=self.renew, daemon=True) for _ in range(new)]

    def count(self, name, why=None):
        with self.lock:
            setattr(self, name, getattr(self, name) + 1)
            if why is not None and len(self.why) < 20:
                self.why.append(f"{name}: {why!r}")

    def one(self, s, kind):
        """Whether the connection may be used again."""
        try:
            got = ask(s, self.path, host=self.host)
        except OSError as e:
            self.count("lost", (kind, e))
            return False
        if got is None:
            self.count("lost", (kind, "ended"))
            return False
        good = got[0].startswith(b"HTTP/1.1 200 ") and self.body in (None, got[1])
        self.count("answered" if good else "wrong", None if good else (got[0][:60], got[1][:60]))
        if b"connection: close" in got[0].lower():
            self.count("closed")
            return False
        return True

    def make(self):
        try:
            return self.connect()
        except OSError as e:
            self.count("refused", e)
            time.sleep(0.01)
            return None

    def keep(self):
        s = None
        while not self.stop.is_set():
            s = s or self.make()
            if s is not None and not self.one(s, "kept"):
                s.close()
                s = None
            time.sleep(self.pause)
        if s is not None:
            s.close()

    def renew(self):
        while not self.stop.is_set():
            s = self.make()
            if s is not None:
                self.one(s, "new")
                s.close()
            time.sleep(self.pause_new)

    def failures(self):
        return self.lost + self.refused + self.wrong

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for t in self.threads:
            t.join()

    def __str__(self):
        return f"{self.answered} answered, {self.lost} lost, {self.refused} refused, {self.closed} closed, {self.wrong} wrong {self.why}"


def tcp(port, timeout=20):
    """What makes connections to a port of this machine."""
    def connect():
        s = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s
    return connect

"""load.py - clients that ask again and again, on connections that they keep and on new ones, and count what they were promised: an answer to each request on a
connection that the server keeps, and to each new connection."""
import socket
import threading
import time

from serving import ask, unchunked

PROMPT = 2  # seconds


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


class Watched(Clients):
    """Clients that know which worker they are with: answers begin with its process, and a blank if more follows."""

    def __init__(self, connect, **more):
        super().__init__(connect, **more)
        self.killed = {}  # when, by process
        self.losses = []  # (worker, or None when it had not answered yet; when it was made; when it was lost)
        self.mine = threading.local()  # of this thread's connection: when it was made, the words of its last answer
        self.workers = set()

    def one(self, s, kind):
        began = time.monotonic()
        try:
            got = ask(s, self.path)
        except OSError:
            got = None
        before = self.mine.before
        if got is None:
            with self.lock:
                self.losses.append((int(before[0]) if before else None, self.mine.made, time.monotonic()))
            self.count("lost", (kind, before))
            return False
        words = unchunked(got).split()
        why = self.fault(got[0], words, before, began)
        self.count("wrong" if why else "answered", why)
        if not why:
            with self.lock:
                self.workers.add(int(words[0]))
        self.mine.before = None if why else words
        if b"connection: close" in got[0].lower():
            self.count("closed")
            return False
        return True

    def fault(self, head, words, before, _began):
        """What is wrong with an answer, or None."""
        if not head.startswith(b"HTTP/1.1 200 ") or not words or not words[0].isdigit():
            return head[:60], words
        return ("another worker", before, words) if before and before[0] != words[0] else None

    def make(self):
        self.mine.made, self.mine.before = time.monotonic(), None
        return super().make()

    def unexplained(self):
        """Losses that no kill accounts for: of a connection whose worker is known, that worker's; of another one, any since it was made. A loss shows at
        once: what hangs is none."""
        return [(worker, since, when) for worker, since, when in self.losses
                if not any(worker == pid or (worker is None and since <= killed) for pid, killed in self.killed.items() if killed <= when < killed + PROMPT)]


def tcp(port, timeout=20):
    """What makes connections to a port of this machine."""
    def connect():
        s = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s
    return connect

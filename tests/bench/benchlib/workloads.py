"""The workloads: their exact bytes, how they are sent, and what a right answer is."""

import json
import socket
from dataclasses import dataclass, field

from . import env

TIMEOUT = 20.0


@dataclass
class Workload:
    key: str
    title: str
    request: bytes
    check: object = field(repr=False)       # function(Answer) -> None or what is wrong
    connections: int = 64
    pipeline: int = 1
    lua: bool = False                       # needs a server with Lua
    file: bool = False                      # needs a server of files
    counts: tuple = (5000, 1000, 5000)      # requests for callgrind: warm-up, short run, long run
    syscalls: int = 20000                   # requests under strace

    def request_file(self):
        path = env.OUT / "requests" / self.key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.request)
        return path

    def bytes_line(self):
        """What one request of it is, for the report."""
        head = self.request.index(b"\r\n\r\n") + 4
        body = len(self.request) - head
        fields = self.request[:head].count(b"\r\n") - 2
        text = f"request {head} B head with {fields} field{'s' if fields != 1 else ''}"
        if body:
            text += f" + {body} B body"
        text += f", {self.connections} connections"
        if self.pipeline > 1:
            text += f", {self.pipeline} pipelined"
        return text


class Answer:
    """One answer as it came over the socket: status, headers (a list), body, and the length of its head."""

    def __init__(self, status, headers, body, head_bytes):
        self.status, self.headers, self.body, self.head_bytes = status, headers, body, head_bytes

    def header(self, name):
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        return ", ".join(values) if values else None


class _Reader:
    def __init__(self, connection):
        self.connection, self.buffer = connection, b""

    def until(self, mark):
        while mark not in self.buffer:
            self._more()
        at = self.buffer.index(mark) + len(mark)
        part, self.buffer = self.buffer[:at], self.buffer[at:]
        return part

    def exactly(self, count):
        parts = bytearray(self.buffer[:count])
        self.buffer = self.buffer[count:]
        while len(parts) < count:
            part = self.connection.recv(min(1 << 20, count - len(parts)))
            if not part:
                raise EOFError("the connection was closed in the middle of an answer")
            parts += part
        return bytes(parts)

    def _more(self):
        part = self.connection.recv(65536)
        if not part:
            raise EOFError("the connection was closed in the middle of an answer")
        self.buffer += part


def _read_answer(reader):
    head = reader.until(b"\r\n\r\n")
    lines = head[:-4].decode("latin-1").split("\r\n")
    status = int(lines[0].split(" ", 2)[1])
    headers = [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:]]
    answer = Answer(status, headers, b"", len(head))
    if (answer.header("Transfer-Encoding") or "").lower() == "chunked":
        body = bytearray()
        while True:
            size = int(reader.until(b"\r\n").split(b";")[0], 16)
            if size == 0:
                break
            body += reader.exactly(size)
            reader.exactly(2)
        while reader.until(b"\r\n") != b"\r\n":
            pass
        answer.body = bytes(body)
    else:
        answer.body = reader.exactly(int(answer.header("Content-Length") or 0))
    return answer


def exchange(port, request, count=1):
    """Sends the bytes `count` times at once over one connection and returns the answers."""
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT) as connection:
        connection.sendall(request * count)
        reader = _Reader(connection)
        return [_read_answer(reader) for _ in range(count)]


def verify(workload, port):
    """Checks a server's answers before they are measured. Returns (an Answer, None) or (None, what is wrong)."""
    try:
        answers = exchange(port, workload.request, workload.pipeline)
    except (OSError, EOFError, ValueError, IndexError) as error:
        return None, f"no proper answer: {error}"
    for answer in answers:
        if answer.status != 200:
            return None, f"status {answer.status}"
        wrong = workload.check(answer)
        if wrong:
            return None, wrong
    return answers[0], None


# --- checks ----------------------------------------------------------------------------------------------------------

def _type(answer, wanted):
    found = (answer.header("Content-Type") or "").split(";")[0]
    return None if found == wanted else f"Content-Type is {found!r}, not {wanted!r}"


def _text(wanted):
    def check(answer):
        if answer.body != wanted:
            return f"body is {answer.body[:60]!r}, not {wanted[:60]!r}"
        return _type(answer, "text/plain")
    return check


def _json(wanted):
    def check(answer):
        try:
            found = json.loads(answer.body)
        except ValueError as error:
            return f"body is not JSON: {error}"
        return _type(answer, "application/json") if found == wanted else "body is another JSON value"
    return check


def _stream(length):
    def check(answer):
        if len(answer.body) != length or answer.body.count(b"x") != length:
            return f"body is not {length} times x ({len(answer.body)} bytes)"
        return None
    return check


def _file(name):
    def check(answer):
        wanted = (env.files_directory() / name).read_bytes()
        return None if answer.body == wanted else f"body is not {name} ({len(answer.body)} bytes)"
    return check


# --- requests --------------------------------------------------------------------------------------------------------

def get(path, fields=()):
    lines = [f"GET {path} HTTP/1.1", "Host: localhost", *fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def post(path, body, kind):
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _document():
    """An object of 1 KiB with numbers, strings, lists and nested objects."""
    items = [{"id": 1000 + i, "name": f"item number {i}", "price": 19.25 + i, "count": i * 7, "tags": ["a", "bc", "def"]}
             for i in range(10)]
    value = {"user": "somebody@example.com", "active": True, "ratio": 0.125, "big": 123456789, "items": items, "note": ""}
    value["note"] = "n" * (1024 - len(_compact(value)))
    return value


def _compact(value):
    return json.dumps(value, separators=(",", ":")).encode()


DOCUMENT = _document()

BROWSER_FIELDS = (
    "Connection: keep-alive",
    'sec-ch-ua: "Chromium";v="126", "Not.A/Brand";v="24"',
    "sec-ch-ua-mobile: ?0",
    'sec-ch-ua-platform: "Linux"',
    "Upgrade-Insecure-Requests: 1",
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "Sec-Fetch-Site: same-origin",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Accept-Language: en-GB,en;q=0.9,de;q=0.8",
    "Cookie: session=3b1f0c2e5a7d49868e21c7f04d9ab613; theme=dark; seen=1",
)

HELLO = get("/hello")
_slow = {"counts": (300, 100, 400), "syscalls": 1000}

ALL = [
    Workload("W1", "hello", HELLO, _text(b"Hello, World!")),
    Workload("W2", "JSON, encoded", get("/json"), _json({"message": "Hello, World!"}), lua=True),
    Workload("W2b", "1 KiB of JSON, decoded and encoded",
             post("/echo", _compact(DOCUMENT), "application/json"), _json(DOCUMENT), lua=True, counts=(2000, 500, 2000)),
    Workload("W3", "hello, 16 pipelined", HELLO, _text(b"Hello, World!"), pipeline=16, counts=(8000, 1600, 8000),
             syscalls=64000),
    Workload("W4", "1 MiB in 64 writes of 16 KiB", get("/stream"), _stream(1 << 20), connections=16, **_slow),
    Workload("W5a", "file of 100 KiB", get("/files/100k.bin"), _file("100k.bin"), connections=16, file=True, **_slow),
    Workload("W5b", "file of 10 MiB", get("/files/10m.bin"), _file("10m.bin"), connections=4, file=True,
             counts=(20, 10, 50), syscalls=100),
    Workload("W6", "64 KiB POST", post("/upload", b"u" * 65536, "application/octet-stream"), _text(b"65536"),
             connections=16, **_slow),
    Workload("WB", "hello with a browser's 12 header fields", get("/hello", BROWSER_FIELDS), _text(b"Hello, World!")),
]
BY_KEY = {workload.key: workload for workload in ALL}

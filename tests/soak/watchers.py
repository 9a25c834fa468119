"""Those who look: each of their lines is compared with what all others were told under its number."""
import asyncio
import fcntl
import json
import os
import re
import socket
import subprocess
import time

MEMBERS = ("process", "service", "state", "since", "lastHb", "counter", "pid", "via", "reason",
           "held", "start", "seq")
COLUMNS = (4, 5, 6, 7, 8, 9, 13, 16, 17, 21, 24, 25)


def said(value):
    return "" if value is None else str(value)


def of_json(line):
    e = json.loads(line)
    if "process" not in e:
        return e["seq"], (e["event"], said(e["from"]), e["time"], "*", said(e.get("reason")))
    return e["seq"], (e["event"], said(e["from"]), e["time"], *(said(e[m]) for m in MEMBERS))


def of_text(line):
    v = line.decode().split("\t")
    if v[4] == "*":
        return int(v[0]), (v[2], v[3], v[1], "*", v[17])
    return int(v[0]), (v[2], v[3], v[1], *(v[c] for c in COLUMNS))


class Watcher:
    def __init__(self, world, name):
        self.world, self.name = world, name
        self.seq, self.count, self.rest, self.fd = 0, 0, b"", None

    def read(self):
        try:
            data = os.read(self.fd, 1 << 18)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.lost()
            return
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            self.line(line)

    def listen(self, fd):
        self.fd, self.rest = fd, b""
        fcntl.fcntl(fd, fcntl.F_SETFL, os.O_NONBLOCK)
        asyncio.get_running_loop().add_reader(fd, self.read)

    def deaf(self):
        asyncio.get_running_loop().remove_reader(self.fd)

    def take(self, seq, event):
        if event[0] == "reset":
            self.world.fail(f"{self.name}: reset after {self.seq}")
        elif self.seq and seq != self.seq + 1:
            self.world.fail(f"{self.name}: {seq} after {self.seq}: {event[:4]}")
        self.seq = seq
        self.count += 1
        self.world.told(self, seq, event)


class Program(Watcher):
    """disco-watch, on the spool or at the server; now and then another one goes on after it."""

    def __init__(self, world, name, *options):
        super().__init__(world, name)
        self.options = options
        self.start()

    def start(self):
        self.begun = self.count
        since = ["--since", str(self.seq)] if self.seq else []
        self.process = self.world.spawn(["disco-watch", "-j", *self.options, *since],
                                        stdout=subprocess.PIPE, stderr=self.world.log(self.name))
        self.listen(self.process.stdout.fileno())

    def line(self, line):
        self.take(*of_json(line))

    def replace(self):
        self.deaf()
        self.process.stdout.close()
        self.process.kill()
        self.start()

    def lost(self):
        self.deaf()
        self.process.stdout.close()
        # It gives up when the server dies while it begins; later it must not.
        if self.process.wait() == 3 and self.count == self.begun and self.options:
            self.start()
        else:
            self.world.fail(f"{self.name}: ended")

    def close(self):
        self.deaf()
        self.process.kill()


class Stream(Watcher):
    """/v1/events by hand, as text or as Server-Sent Events; goes on after its last number."""

    def __init__(self, world, name, text):
        super().__init__(world, name)
        self.text = text
        self.task = asyncio.create_task(self.connect())

    async def connect(self):
        accept = "Accept: text/tab-separated-values\r\n" if self.text else ""
        since = f"?since={self.seq}" if self.seq else ""
        while True:
            self.socket = socket.socket()
            self.socket.setblocking(False)
            try:
                await asyncio.get_running_loop().sock_connect(self.socket, self.world.address)
                self.socket.send(f"GET /v1/events{since} HTTP/1.0\r\nHost: localhost\r\n{accept}\r\n".encode())
                break
            except OSError:
                self.socket.close()
                await asyncio.sleep(0.05)
        self.listen(self.socket.fileno())

    def line(self, line):
        if self.text and re.match(rb"\d+\t", line):
            self.take(*of_text(line))
        elif line.startswith(b"data: "):
            self.take(*of_json(line[6:]))
        elif line == b"event: reset":
            self.world.fail(f"{self.name}: reset after {self.seq}")
        elif m := re.match(rb"X-Disco-Seq: (\d+)", line):
            self.seq = self.seq or int(m[1])
        elif line.startswith(b"HTTP/") and b" 200 " not in line:
            self.world.fail(f"{self.name}: {line.decode()}")

    def lost(self):
        self.close()
        self.task = asyncio.create_task(self.connect())

    def close(self):
        self.task.cancel()
        if self.socket.fileno() >= 0:
            self.deaf()
        self.socket.close()


class Socket:
    """A WebSocket that comes, reads, stalls, and goes.  A mirror keeps the rows and comes to stay."""

    def __init__(self, world, mirror):
        self.world, self.mirror = world, mirror
        self.rows, self.seq, self.whole = {}, 0, False
        self.writer = None
        self.task = asyncio.create_task(self.run())

    async def run(self):
        while True:
            try:
                await self.visit()
            except (OSError, asyncio.IncompleteReadError):
                await asyncio.sleep(0.1)
            finally:
                self.whole = False
                if self.writer is not None:
                    self.writer.close()
                    self.writer = None

    async def message(self, reader):
        head, size = await reader.readexactly(2)
        if size == 126:
            size = int.from_bytes(await reader.readexactly(2), "big")
        elif size == 127:
            size = int.from_bytes(await reader.readexactly(8), "big")
        body = await reader.readexactly(size)
        if head == 0x88:
            raise ConnectionResetError
        if head != 0x81:
            self.world.fail(f"WebSocket: a frame that begins with {head:#x}")
        self.world.messages += 1
        return body

    async def visit(self):
        random = self.world.random
        # Less than the system's, so that who stalls is soon noticed.
        reader, self.writer = await asyncio.open_connection(*self.world.address, limit=1 << 16)
        self.writer.write(b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                          b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 101 "):
            self.world.fail(f"WebSocket: {head.splitlines()[0].decode()}")
        which = {} if self.mirror else random.choice([{}, {"service": "held"}, {"process": "*7"}])
        text = json.dumps({"subscribe": which, "every": 2 if self.mirror else 5}).encode()
        self.writer.write(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)
        ends = time.monotonic() + (1e9 if self.mirror else random.uniform(1, 60))
        while time.monotonic() < ends:
            body = await self.message(reader)
            if self.mirror:
                self.apply(json.loads(body))
            elif random.random() < 0.01:
                await asyncio.sleep(random.uniform(0, 20))
                self.world.stalls += 1

    def apply(self, m):
        if m["type"] not in ("rows", "delta"):
            return
        if m.get("first"):
            self.rows = {}
            self.ids = {}
            self.whole = False
        elif m["seq"] < self.seq:
            self.world.fail(f"WebSocket: seq {m['seq']} after {self.seq}")
        self.seq = m["seq"]
        for name in m.get("gone", ()):
            self.rows.pop(name, None)
        for row in m.get("rows", ()):
            self.rows[row["process"]] = row
            self.ids[row["id"]] = row
        for number, _, counter in m.get("beats", ()):
            self.ids[number]["counter"] = counter
        if m.get("last"):
            self.whole = True

"""Processes that are born, beat and die, each kind in its own way, and what may be said of them."""
import asyncio
import fcntl
import json
import os
import struct
import time

LIMITS = "warnAfter=30s\nerrorAfter=90s\n"  # of who lives, so that a slow machine accuses nobody
LAST_WORDS = "warnAfter=1s\nerrorAfter=2s\nforgetAfter=20s\n"  # of who falls silent
EVERY = 5  # seconds between beats that we send
OFD_SETLK = 37
WRITE_LOCK = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)


class Life:
    """A name and what happened to it; how it came about is for those below."""

    reason = ""  # that its death is told with
    leaving = 0.0  # the share of them that leave in peace

    def __init__(self, world, name):
        self.world, self.name = world, name
        self.births = self.kills = self.leaves = 0
        self.joined = self.errors = self.left = 0  # as told by events
        self.alive = self.silent = self.listed = self.posting = False
        self.state = None  # as it must be in the end
        self.accepted = self.died = 0.0

    def settled(self):
        """All that happened to it was told."""
        return (self.joined, self.errors, self.left) == (self.births, self.kills, self.leaves)

    def born(self):
        self.births += 1
        self.alive, self.silent, self.state = True, False, "active"
        self.begin()

    def die(self):
        self.alive, self.died = False, time.monotonic()
        if self.world.random.random() < self.leaving:
            self.state = "inactive"
            self.leaves += 1
            self.leave()
        else:
            self.state = "error"
            self.kills += 1
            self.fail()

    def can_die(self):
        return True


class Touched(Life):
    """A file, and a touch of it now and then.  It leaves, or falls silent."""

    reason = "silent"
    leaving = 0.5

    def begin(self):
        self.path = f"{self.world.spool}/hb/{self.name}"
        self.write(f"service=touched\npid={self.births}\nstart={self.births}\n{LIMITS}")

    def write(self, content):
        began = time.time()
        temporary = f"{self.world.spool}/tmp/{self.name}.soak"
        with open(temporary, "w") as f:
            f.write(content)
        os.rename(temporary, self.path)
        self.accepted = began

    def change(self):
        self.write(f"service=touched\npid={self.births}\nstart={self.births}\nversion={time.time()}\n{LIMITS}")

    def beat(self):
        began = time.time()
        os.utime(self.path)
        self.accepted = began
        self.world.accepted += 1

    def leave(self):
        self.write("service=touched\nstate=inactive\n")

    def fail(self):
        self.silent = True
        self.write(f"service=touched\npid={self.births}\nstart={self.births}\n{LAST_WORDS}")
        self.died += 2


class Held(Touched):
    """A file that a process keeps open under a write lock, until it is killed."""

    reason = "closed without leaving"
    leaving = 0.2

    def begin(self):
        self.path = f"{self.world.spool}/hb/{self.name}"
        temporary = f"{self.world.spool}/tmp/{self.name}.soak"
        began = time.time()
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        os.write(fd, f"service=held\nheld=yes\npid={self.births}\nstart={self.births}\n{LIMITS}".encode())
        fcntl.fcntl(fd, OFD_SETLK, WRITE_LOCK)
        self.process = self.world.spawn(["sleep", "1d"], pass_fds=[fd])
        os.rename(temporary, self.path)
        os.close(fd)
        self.accepted = began

    def leave(self):
        super().leave()
        self.process.kill()

    def fail(self):
        self.process.kill()


class Sent(Life):
    """disco-hb itself, killed or asked to leave."""

    reason = "closed without leaving"
    leaving = 0.3
    options = ()

    def begin(self):
        self.process = self.world.spawn(
            ["disco-hb", *self.options, "-i", "2s", "-w", "30s", "-e", "90s", self.name],
            stderr=self.world.log("hb"))

    def leave(self):
        self.process.terminate()

    def fail(self):
        self.process.kill()


class SentFar(Sent):
    """disco-hb -u: the server tells of its end, if it knows it again after its own."""

    reason = "connection closed"

    @property
    def options(self):
        return ["-u", self.world.url]

    def can_die(self):
        return time.monotonic() - self.world.serve.ready_at > 8


class Posted(Life):
    """Heartbeats by HTTP; it leaves, or falls silent."""

    reason = "silent"
    leaving = 0.5
    limits = {"warnAfter": 30, "errorAfter": 90}

    def object(self):
        return {"process": self.name, "service": "posted", "pid": self.births,
                "start": str(self.births), **self.limits}

    def begin(self):
        self.world.to_post(self, self.object())

    def beat(self):
        self.world.to_post(self, self.object())

    def leave(self):
        self.world.to_post(self, {**self.object(), "state": "inactive"})

    def fail(self):
        self.silent = True
        self.world.to_post(self, {**self.object(), "warnAfter": 1, "errorAfter": 2, "forgetAfter": 20})
        # Through a server that was away it goes no further than warning for a while.
        self.died += 2 + self.world.options.warn


class Connected(Posted):
    """A connection that holds it, opened again after the server's end but not after its own."""

    reason = "connection closed"
    leaving = 0.0

    def begin(self):
        self.holding = False
        self.task = asyncio.create_task(self.hold(self.births))

    async def hold(self, birth):
        while self.alive and self.births == birth:
            try:
                reader, self.writer = await asyncio.open_connection(*self.world.address)
                began, body = time.time(), json.dumps(self.object()).encode()
                self.writer.write(b"POST /v1/hold HTTP/1.0\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s"
                                  % (len(body), body))
                while line := await reader.readline():
                    if line.startswith(b"# held"):
                        self.accepted, self.holding = began, True
            except OSError:
                pass
            self.holding = False
            await asyncio.sleep(0.05)

    def can_die(self):
        return self.holding and not self.posting  # or its beat would come after its end

    def fail(self):
        self.task.cancel()
        self.writer.close()

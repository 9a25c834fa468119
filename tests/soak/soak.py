#!/usr/bin/env python3
"""soak.py [options]: a master and a server under load for as long as is asked, with processes that
are born and killed at random, watchers of all kinds, and now and then kill -9 of the two.

Every change is compared with what was done: who died is told of once and in time, who lives is
never accused, no watcher misses or repeats a line, and at the end the table, the server's and
ours are the same.  Memory and descriptors are compared between the third and the last quarter,
where nothing is killed that holds them.  Prints what it saw, and exits 1 when anything was wrong."""
import argparse
import asyncio
import collections
import datetime
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import lives
import watchers

COARSE = 0.02  # the kernel's clock for files is behind by a tick of it


def stamp(seconds):
    return datetime.datetime.utcfromtimestamp(seconds).isoformat(timespec="milliseconds") + "Z"


def percentiles(values):
    values = sorted(values)
    at = lambda share: 1000 * values[min(len(values) - 1, int(share * len(values)))]
    return "ms: p50 %.0f, p90 %.0f, p99 %.0f, p99.9 %.0f, most %.0f, of %d" % (
        at(0.5), at(0.9), at(0.99), at(0.999), at(1), len(values)) if values else "none"


class Daemon:
    """The master or the server: started, killed, started again."""

    def __init__(self, world, name, *options):
        self.world, self.name, self.options = world, name, options
        self.kills, self.ready_at, self.samples = 0, 0.0, []

    async def start(self):
        self.process = self.world.spawn(
            [*self.world.options.wrap.split(), shutil.which(self.name), *self.options],
            stdout=subprocess.PIPE, stderr=self.world.log(self.name),
            env={**os.environ, "ASAN_OPTIONS": "detect_leaks=1"})
        line = await asyncio.to_thread(self.process.stdout.readline)
        if not line.startswith(b"ready"):
            sys.exit(f"{self.name} did not start; see {self.world.folder}")
        self.ready_at = time.monotonic()
        return line.split()[-1].decode()

    async def kill(self):
        self.kills += 1
        self.process.kill()
        await asyncio.to_thread(self.process.wait)
        self.process.stdout.close()

    async def stop(self):
        self.process.terminate()
        status = await asyncio.to_thread(self.process.wait, 60)
        if status != 0:
            self.world.fail(f"{self.name}: status {status} at the end")

    def sample(self, clients=0):
        """Of the descriptors those count that are not for clients, which come and go."""
        with open(f"/proc/{self.process.pid}/status") as f:
            kib = int(re.search(r"RssAnon:\s*(\d+)", f.read())[1])
        self.samples.append((kib, len(os.listdir(f"/proc/{self.process.pid}/fd")) - clients))

    def quarter(self, n):
        size = len(self.samples) // 4
        part = self.samples[(n - 1) * size : n * size]
        return [sorted(values)[len(part) // 2] for values in zip(*part)]


class Poster:
    """One connection that is kept, for the heartbeats of some processes, in their order."""

    def __init__(self, world):
        self.world, self.queue = world, collections.deque()
        self.task = asyncio.create_task(self.run())

    async def send(self, batch):
        """Until it is answered; a server that is gone meanwhile may have stored it or not."""
        body = "\n".join(json.dumps(o) for _, o in batch).encode()
        head = f"POST /v1/heartbeat HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
        while True:
            try:
                if self.writer is None:
                    reader, self.writer = await asyncio.open_connection(*self.world.address)
                    self.reader = reader
                began = time.time()
                self.writer.write(head.encode() + body)
                answer = await self.reader.readuntil(b"\r\n\r\n")
            except (OSError, asyncio.IncompleteReadError):
                if self.writer is not None:
                    self.writer.close()
                self.writer = None
                await asyncio.sleep(0.05)
                continue
            if not answer.startswith(b"HTTP/1.1 204 "):
                self.world.fail(f"heartbeats: {answer.splitlines()[0].decode()}")
            return began

    async def run(self):
        self.writer = None
        size = 1
        while True:
            if not self.queue:
                await asyncio.sleep(0.02)
                continue
            # A connection that is closed says nothing more; others have last words.
            size = 51 - size  # one alone, and fifty at once
            batch = []
            while self.queue and len(batch) < size:
                life, o = self.queue.popleft()
                if life.births == o["pid"] and (life.alive or life.leaving):
                    batch.append((life, o))
            if not batch:
                continue
            for life, _ in batch:
                life.posting = True
            began = await self.send(batch)
            for life, _ in batch:
                life.accepted, life.posting = began, False
            self.world.accepted += len(batch)


class World:
    def __init__(self, options):
        self.options = options
        self.random = random.Random(options.seed)
        self.folder = tempfile.mkdtemp(prefix="disco-soak.")
        self.spool = self.folder + "/spool"
        os.environ.update(DISCO_SPOOL=self.spool, TZ="UTC", LC_ALL="C.UTF-8",
                          PATH=f"{options.build}/bin:{os.environ['PATH']}")
        os.environ.pop("DISCO_URL", None)
        self.failures, self.logs, self.children = 0, {}, []
        self.lives, self.journal = {}, {}
        self.delays = collections.defaultdict(list)
        self.events = collections.Counter()
        self.accepted = self.messages = self.stalls = self.replaced = self.late = self.table_seq = 0
        self.samples = []  # beats whose way to the table is timed
        self.stopping = False

    # What lives use.

    def log(self, name):
        if name not in self.logs:
            self.logs[name] = open(f"{self.folder}/{name}.log", "ab")
        return self.logs[name]

    def fail(self, text):
        self.failures += 1
        if self.failures <= 50:
            print(f"# {time.monotonic() - self.began:.1f} s: {text}", flush=True)

    def spawn(self, command, **options):
        process = subprocess.Popen(command, **options)
        self.children.append(process)
        return process

    def to_post(self, life, o):
        self.posters[hash(life.name) % len(self.posters)].queue.append((life, o))

    # What happened, as told.

    def told(self, watcher, seq, event):
        now = time.monotonic()
        known = self.journal.get(seq)
        if known is None:
            known = self.journal[seq] = (event, self.judge(event, now))
            self.last_seq = seq
        elif known[0] != event:
            self.fail(f"{watcher.name}: {seq} is {event}, others say {known[0]}")
        if known[1]:
            what, since = known[1]
            self.delays[what].append(now - since)

    def judge(self, event, now):
        """Whether it may be so.  Of a death, how long it took."""
        what, was, _, name = event[:4]
        self.events[what] += 1
        if name == "*":
            if "silent at once" in event[4]:
                self.fail(f"{what}: {event[4]}")
            return None
        life = self.lives.get(name)
        if life is None:
            if not name.startswith("disco-serve@"):
                self.fail(f"{what} {name}: nobody has that name")
            elif what == "error" and self.events["error of the server"] >= self.serve.kills:
                self.fail(f"{name}: {event}")
            if what == "error":
                self.events["error of the server"] += 1
            return None
        reason = event[11]
        life.listed = what != "forgotten"
        if what in ("joined", "restarted") or what == "active" and was != "warning":
            life.joined += 1
            if life.joined > life.births:
                self.fail(f"{what} {name}, which was born {life.births} times")
        elif what == "inactive":
            life.left += 1
            if life.left > life.leaves:
                self.fail(f"{what} {name}, which left {life.leaves} times")
        elif what == "warning" and life.alive and life.accepted and time.time() - life.accepted > 20:
            self.late += 1
        elif what == "warning" and not life.silent:
            self.fail(f"false alarm: {what} {name}: {reason}")
        elif what == "forgotten" and life.alive and life.joined == life.births:
            self.fail(f"{what} {name}, which lives")
        elif what == "conflict":
            self.fail(f"{what} {name}: {reason}")
        elif what == "error":
            life.errors += 1
            if life.errors > life.kills:
                self.fail(f"false alarm: {what} {name}, was {was}: {reason}")
                return None
            if not reason.startswith(life.reason):
                self.fail(f"{what} {name}: {reason}, not {life.reason}")
            since = max(life.died, self.master.ready_at)
            if now - since > self.options.limit and not life.silent:
                self.fail(f"{name}: its death was told after {now - since:.1f} s")
            return life.reason, since
        return None

    # What is done.

    def birth(self, kind, name=None):
        if name is None:
            self.born += 1
            name = f"{kind.__name__.lower()}_{self.born}"
            self.lives[name] = kind(self, name)
        self.population[kind].append(self.lives[name])
        self.lives[name].born()

    def death(self, kind):
        among = self.population[kind]
        for _ in range(10):
            i = self.random.randrange(len(among))
            life = among[i]
            if life.settled() and life.can_die():
                among[i] = among[-1]
                among.pop()
                life.die()
                self.dead.append(life)
                return True
        return False

    def may_change(self, kind):
        """Who lives by the server neither comes nor goes while that is about to be killed."""
        return not self.serve_down or kind in (lives.Held, lives.Sent, lives.Touched)

    async def churn(self):
        """Deaths, and for each a birth: a new one, or one who died before."""
        kinds, weights = zip(*((lives.Held, 8), (lives.Sent, 4), (lives.Connected, 3), (lives.Touched, 3), (lives.Posted, 1), (lives.SentFar, 0.3)))
        while not self.stopping:
            await asyncio.sleep(self.random.expovariate(self.options.churn))
            kind, = self.random.choices(kinds, weights)
            if not self.population[kind] or not self.may_change(kind) or not self.death(kind):
                continue
            self.children = [p for p in self.children if p.poll() is None]
            again = self.random.choice(self.dead)
            if self.random.random() < 0.3 and not again.alive and again.settled() and self.may_change(type(again)):
                self.dead.remove(again)
                self.birth(type(again), again.name)
            else:
                self.birth(kind)
            if self.random.random() < 0.02:
                self.replaced += 1
                self.random.choice(self.programs).replace()

    async def beats(self):
        """Everybody's, spread over the interval.  The real programs beat for themselves."""
        at, last = 0.0, time.monotonic()
        while True:
            await asyncio.sleep(0.05)
            ours = [l for k in (lives.Touched, lives.Held, lives.Posted, lives.Connected) for l in self.population[k]]
            first, now = int(at), time.monotonic()
            at, last = at + len(ours) * (now - last) / lives.EVERY, now
            if at >= len(ours):
                at = 0.0
            for life in ours[first : int(at) or len(ours)]:
                life.beat()
                if isinstance(life, lives.Touched) and self.random.random() < 0.02:
                    self.samples.append((life, life.accepted, time.monotonic()))

    def read_table(self):
        with open(self.spool + "/table") as f:
            head, _, *rows = f.read().splitlines()
        seq = int(re.search(r" seq=(\d+)", head)[1])
        if seq < self.table_seq:
            self.fail(f"the table's seq went back from {self.table_seq} to {seq}")
        self.table_seq = seq
        return {row.split("\t", 1)[0]: row.split("\t") for row in rows}

    async def look_at_table(self):
        """How long beats take until the table has them."""
        seen = 0
        while True:
            await asyncio.sleep(0.05)
            ino = os.stat(self.spool + "/table").st_ino
            if ino == seen:
                continue
            seen, now, waiting = ino, time.monotonic(), []
            rows = self.read_table()
            for life, accepted, at in self.samples:
                row = rows.get(life.name)
                if row is not None and row[4] >= stamp(accepted - COARSE):
                    self.delays["a beat in the table"].append(now - at)
                elif life.alive:
                    waiting.append((life, accepted, at))
            self.samples = waiting

    def connected(self):
        """Connections of the server's whose other end is there too."""
        with open("/proc/net/tcp") as f:
            ends = [line.split() for line in f]
        return sum(end[1].endswith(":%04X" % self.address[1]) and end[3] == "01" for end in ends)

    async def look_at_memory(self):
        while not self.stopping and not self.options.kills:
            await asyncio.sleep(1)
            self.master.sample()
            self.serve.sample(self.connected())

    async def until(self, what, condition, seconds=60):
        limit = time.monotonic() + seconds * self.options.patience
        while not condition():
            if time.monotonic() > limit:
                self.fail(f"waited in vain until {what}")
                return False
            await asyncio.sleep(0.05)
        return True

    # The kills.

    async def kill_master(self):
        promised = [(l, l.accepted, l.births) for l in self.lives.values() if l.alive and l.accepted]
        await self.master.kill()
        await asyncio.sleep(self.random.choice([0, 0, 0.3]))
        told = self.last_seq
        await self.master.start()
        rows = self.read_table()
        if self.table_seq < told:
            self.fail(f"after a kill of the master seq {self.table_seq} is before {told}")
        for life, accepted, births in promised:
            if not life.alive or life.births != births:
                continue
            row = rows.get(life.name)
            if row is None or row[4] < stamp(accepted - COARSE):
                self.fail(f"{life.name}: its beat of {stamp(accepted)} is lost: {row}")

    async def kill_server(self):
        # What it knows alone is who was cut off a moment ago.
        self.serve_down = True
        await self.until("all ends of connections are told", lambda: all(
            l.settled() for l in self.dead if isinstance(l, (lives.Connected, lives.SentFar))))
        await self.serve.kill()
        await asyncio.sleep(self.random.choice([0, 0, 0.3]))
        await self.serve.start()
        self.serve_down = False

    async def kills(self):
        pause = self.options.minutes * 60 / (self.options.kills + 1)
        for i in range(self.options.kills):
            await asyncio.sleep(self.random.uniform(0, pause))
            await self.kill_master()
            await asyncio.sleep(self.random.uniform(0, pause))
            await self.kill_server()
            if (i + 1) % 100 == 0:
                print(f"# both killed {i + 1} times after {time.monotonic() - self.began:.0f} s", flush=True)

    # The end.

    def tsv(self, *command):
        text = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.decode()
        return {l.split("\t", 1)[0]: l for l in text.splitlines()[1:] if not l.startswith(("#", "process\t"))}

    async def tables_agree(self):
        """disco-ls, the server and we.  Beats go on meanwhile, so the first two are tried again."""
        for _ in range(200):
            ls = await asyncio.to_thread(self.tsv, "disco-ls", "-t")
            web = await asyncio.to_thread(self.tsv, "curl", "-sS", "-H", "Accept: text/tab-separated-values", self.url + "/v1/table")
            if ls == web:
                break
            await asyncio.sleep(0.1)
        else:
            different = [n for n in ls.keys() | web.keys() if ls.get(n) != web.get(n)]
            self.fail(f"disco-ls and the server differ in {len(different)} rows, such as {ls.get(different[0])!r} and {web.get(different[0])!r}")
        for name, life in self.lives.items():
            if name in ls and ls[name].split("\t")[2] != life.state or name not in ls and life.alive:
                self.fail(f"{name} should be {life.state}: {ls.get(name)}")
        await self.until("who is in no table is forgotten", lambda: all(
            n in ls or not l.listed for n, l in self.lives.items()))
        for mirror in self.mirrors:
            if not await self.until("a WebSocket's rows are the table", lambda: mirror.whole and {
                    n: (r["state"], r["reason"] or "") for n, r in mirror.rows.items()} == {
                    n: (v[2], v[13]) for n, v in self.read_table().items()}, 20):
                break

    def flat(self, daemon):
        """Within 2 % between the third and the last quarter."""
        if len(daemon.samples) < 8:
            return
        (kib, fds), (kib_end, fds_end) = daemon.quarter(3), daemon.quarter(4)
        print(f"# {daemon.name}: RssAnon {daemon.quarter(2)[0]} KiB in the second quarter, {kib} in the third, {kib_end} in the last; descriptors {fds}, {fds_end}")
        if not self.options.memory:
            return
        if kib_end > kib * 1.02:
            self.fail(f"{daemon.name}: its memory grows")
        if fds_end > fds * 1.02 + 1:
            self.fail(f"{daemon.name}: its descriptors grow")

    def figures(self):
        kills = sum(l.kills for l in self.lives.values())
        print(f"# {len(self.journal)} events, each told to {len(self.watchers)} watchers ({self.replaced} of them replaced): "
              + ", ".join(f"{n} {what}" for what, n in self.events.most_common()))
        print(f"# {self.accepted} heartbeats of ours accepted, {len(self.lives)} processes, {kills} killed or fallen silent; "
              f"{self.messages} messages by WebSocket, {self.stalls} stalls; "
              f"the master was killed {self.master.kills} times, the server {self.serve.kills}")
        if self.late:
            print(f"# {self.late} warnings were right: this machine is so slow that our beats came late")
        names = {"closed without leaving": "kill -9 to its event at a watcher",
                 "connection closed": "end of a connection to its event at a watcher",
                 "silent": "silence longer than asked for"}
        for what, values in sorted(self.delays.items()):
            if what != "silent" or not self.options.kills:
                print(f"# {names.get(what, what)}, {percentiles(values)}")

    def check_logs(self):
        # And what valgrind says of itself, not of us.
        known = {
            "disco-master": r".*(: paused: |: resumed: ).*",
            "disco-serve": r".*\bmaster\b.*",
            "disco-watch": r".*(http|connection lost; trying again|connected again|master)",
            "hb": r".*",
        }
        for name, log in self.logs.items():
            log.close()
            with open(log.name, errors="replace") as f:
                strange = [l.rstrip() for l in f if not re.match(known[name.split()[0]] + r"|--\d+-- ", l) or "Sanitizer" in l]
            for line in strange[:5]:
                self.fail(f"{name} said: {line}")

    # All of it.

    async def populate(self):
        o = self.options
        for kind, count in ((lives.Touched, o.touched), (lives.Posted, o.posted), (lives.Held, o.held),
                            (lives.Sent, o.sent), (lives.Connected, o.connected), (lives.SentFar, o.far)):
            for i in range(count):
                self.birth(kind)
                if i % 50 == 0:
                    await asyncio.sleep(0)
        await self.until("all that were born have joined", lambda: all(l.settled() for l in self.lives.values()), 120)

    async def fill(self):
        """Something is told of everybody, so that what keeps a number of changes has that many."""
        before = self.events["changed"]
        for i, life in enumerate(self.population[lives.Touched]):
            life.change()
            if i % 50 == 0:
                await asyncio.sleep(0)
        await self.until("all changes are told", lambda: self.events["changed"] - before >= len(self.population[lives.Touched]) and not self.behind(), 120)

    async def watch(self):
        n = self.options.watchers
        self.programs = [watchers.Program(self, f"disco-watch {i}") for i in range(n // 3)]
        self.programs += [watchers.Program(self, f"disco-watch -u {i}", "-u", self.url) for i in range(n // 3)]
        self.watchers = self.programs + [watchers.Stream(self, f"stream {i}", i % 2 == 0) for i in range(n - n // 3 * 2)]
        sockets = [watchers.Socket(self, False) for _ in range(self.options.sockets)]
        self.mirrors = [watchers.Socket(self, True) for _ in range(2)]
        self.sockets = sockets + self.mirrors
        await asyncio.sleep(1)

    def behind(self):
        return [w for w in self.watchers if w.seq < self.last_seq]

    async def run(self):
        o = self.options
        self.began = time.monotonic()
        self.born, self.dead, self.last_seq, self.serve_down = 0, [], 0, False
        self.population = collections.defaultdict(list)
        self.master = Daemon(self, "disco-master", "-t", o.tick, "-w", f"{o.warn}s", "-e", f"{3 * o.warn}s", "-f", f"{4 * o.warn}s")
        await self.master.start()
        # An address that no client has for its own end, so that the port stays ours while it is down.
        self.serve = Daemon(self, "disco-serve", "--listen", "127.0.0.2:0")
        self.url = await self.serve.start()
        host, port = self.url.split("//")[1].split(":")
        self.address = host, int(port)
        self.serve.options = "--listen", f"{host}:{port}"
        self.posters = [Poster(self) for _ in range(10)]
        await self.watch()
        tasks = [asyncio.create_task(t) for t in (self.beats(), self.look_at_table())]
        await self.populate()
        if o.memory and not o.kills:
            await self.fill()
        print(f"# {len(self.lives)} processes joined after {time.monotonic() - self.began:.1f} s", flush=True)
        work = [asyncio.create_task(t) for t in (self.churn(), self.look_at_memory())]
        await asyncio.gather(asyncio.sleep(60 * o.minutes), self.kills())
        self.stopping = True
        await asyncio.gather(*work)
        # Whoever starts again judges no silence for a while, and a gateway's no error.
        await self.until("all deaths are told", lambda: all(l.settled() for l in self.lives.values()), 60 + 3 * o.warn)
        for life in [l for l in self.lives.values() if not l.settled()][:10]:
            self.fail(f"{life.name}: born {life.births}, joined {life.joined}; killed {life.kills}, error {life.errors}; left {life.leaves}, told {life.left}")
        await self.until("all watchers have been told all", lambda: not self.behind())
        for w in self.behind():
            self.fail(f"{w.name} was told up to {w.seq} of {self.last_seq}")
        await self.tables_agree()
        for task in tasks + [p.task for p in self.posters] + [s.task for s in self.sockets]:
            task.cancel()
        for watcher in self.watchers:
            watcher.close()
        await self.serve.stop()
        await self.master.stop()
        for daemon in self.master, self.serve:
            self.flat(daemon)
        self.figures()

    def clean(self):
        for process in self.children:
            process.kill()
            process.wait()


def main():
    p = argparse.ArgumentParser(description="a soak test; make soak runs it")
    p.add_argument("--build", default=os.environ.get("DISCO_BUILD", "build"), type=os.path.abspath)
    p.add_argument("--minutes", type=float, default=10)
    p.add_argument("--kills", type=int, default=0, help="of the master, and as many of the server")
    p.add_argument("--touched", type=int, default=5000)
    p.add_argument("--posted", type=int, default=500)
    p.add_argument("--held", type=int, default=250)
    p.add_argument("--sent", type=int, default=80)
    p.add_argument("--connected", type=int, default=60)
    p.add_argument("--far", type=int, default=10)
    p.add_argument("--watchers", type=int, default=100)
    p.add_argument("--sockets", type=int, default=98)
    p.add_argument("--churn", type=float, default=10, help="deaths a second")
    p.add_argument("--tick", default="2s")
    p.add_argument("--warn", type=int, default=30, help="the master's, in seconds")
    p.add_argument("--limit", type=float, default=10, help="seconds after which a death must be told")
    p.add_argument("--patience", type=float, default=1, help="how much longer everything may take")
    p.add_argument("--wrap", default="", help="a command before the master's and the server's, such as valgrind")
    p.add_argument("--no-memory", dest="memory", action="store_false")
    p.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    options = p.parse_args()
    print(f"# --seed {options.seed}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    world = World(options)
    try:
        asyncio.run(world.run())
    finally:
        world.clean()
    world.check_logs()
    if world.failures:
        sys.exit(f"# {world.failures} failures; the logs are in {world.folder}")
    shutil.rmtree(world.folder)


if __name__ == "__main__":
    main()

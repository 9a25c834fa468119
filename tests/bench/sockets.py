"""1,000 WebSockets, each subscribed to all of 10,000 rows, of which 1,000 beat each second.

The rows take turns, so that each beats every ten seconds and no beat is overtaken by the next one of
its process.  A beat's delay is from its time in the file until the last of the subscribers has it,
as subscribe.c measures it.  Then the same beside clients that ask for more than a megabyte each
and never read: what each of them costs the server, and how late the others are."""
import contextlib
import re
import subprocess
import time

from measure import cpu, end, middle, rss
from serve import serve
from spool import Load

ROWS = 10_000
EACH_S = 1000  # beats
SUBSCRIBERS = 1000
DEAF = 20
TICK_MS = 2000  # the master's, unless it is told another
# disco-serve(8): a slow WebSocket costs at most 1 MiB and one message, which may be the strips of 500
# processes; and malloc(3) rounds.
DEAF_BYTES = 2 * 2**20


def run(bench):
    seconds, runs, many = (4, 1, 100) if bench.brief else (6, 3, SUBSCRIBERS)
    alone, beside, shares = [], [], []
    with serve(bench, ROWS) as server:
        with beating(bench, server):
            costs = memory(bench, server)
        # All come before the first beat: who comes is told of rows that beat meanwhile again.
        subscribers = Subscribers(bench, server, many)
        with beating(bench, server):
            for _ in range(runs):
                delays, share = share_of(server.pid, lambda: subscribers.delays(seconds))
                alone.append(delays)
                shares.append(share)
                deaf = Subscribers(bench, server, DEAF, "deaf")
                beside.append(subscribers.delays(seconds))
                deaf.stop()
        subscribers.stop()
    what = f"WebSocket: {many:,} subscribers, {ROWS:,} rows, {EACH_S:,} beats a second"
    bench.result(what, "CPU of disco-serve", shares, 50, unit="% of a core")
    bench.result(what, "from a beat to the last subscriber, p99; one tick", of("p99", alone), TICK_MS,
                 unit="ms", note=told(alone))
    what = f"WebSocket: {DEAF} clients that never read"
    bench.result(what, "memory of disco-serve for each; what disco-serve(8) says", costs, DEAF_BYTES,
                 unit="bytes", note="tick by tick: " + ", ".join(f"{cost:,.0f}" for cost in costs))
    bench.result(what, "delay of the others, p99, with : without them",
                 [b / a for a, b in zip(of("p99", alone), of("p99", beside))], 1.1, note=told(beside))


@contextlib.contextmanager
def beating(bench, server):
    """The rows beat in turn."""
    load = Load(bench, "touch", server.spool.hb, ROWS, EACH_S, 3600)
    try:
        yield
    finally:
        load.stop()


def memory(bench, server):
    """What each of the deaf costs, in bytes, some ticks after they came.

    Nobody else is there: what others have left free could be taken again unseen."""
    before, costs = rss(server.pid), []
    deaf = Subscribers(bench, server, DEAF, "deaf")
    for _ in range(4):
        time.sleep(TICK_MS / 1000)
        costs.append((rss(server.pid) - before) / DEAF)
    deaf.stop()
    return costs


class Subscribers:
    """subscribe.c, when all have the table."""

    def __init__(self, bench, server, *words):
        self.child = bench.spawn([bench.tool("subscribe"), str(server.port), *map(str, words)],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        if self.child.stdout.readline() != "ready\n":
            raise SystemExit("bench: the subscribers did not get the table")

    def delays(self, seconds):
        """How late beats of so many seconds are, in ms: a dict of least, p50, p99 and worst."""
        print(seconds, file=self.child.stdin)
        said = {word: int(n) for word, n in re.findall(r"(\w+) (-?\d+)", self.child.stdout.readline())}
        if said["lost"] or said["beats"] < 0.9 * EACH_S * seconds:
            raise SystemExit(f"bench: not all beats reached all subscribers: {said}")
        return said

    def stop(self):
        self.child.stdin.close()
        end(self.child)


def share_of(pid, action):
    """What the action gives, and the share of a core that this process used meanwhile, in percent."""
    used, began = cpu(pid), time.monotonic()
    result = action()
    return result, 100 * (cpu(pid) - used) / (time.monotonic() - began)


def of(word, delays):
    return [run[word] for run in delays]


def told(delays):
    return ", ".join(f"{word} {middle(of(word, delays)):,} ms" for word in ("least", "p50", "p99", "worst"))

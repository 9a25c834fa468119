"""1,000 WebSockets, each subscribed to all of 10,000 rows, of which 1,000 beat each second.

The rows take turns, so that each beats every ten seconds and no beat is overtaken by the next one
of its process.  Of a beat the delay is measured from its time in the file to the moment when the
last of the subscribers has it.  Then the same with clients beside them that ask for more than a
megabyte each and never read: what the server keeps for each of them, and how late the others are."""
import contextlib
import itertools
import os
import re
import subprocess
import threading
import time

import measure
import servers

ROWS = 10_000
A_SECOND = 1000  # beats
SUBSCRIBERS = 1000
DEAF = 20
TICK_MS = 2000  # the master's, unless it is told another
# What disco-serve(8) says that a slow client costs: 1 MiB and one message, and that may be one of
# the strips of 500 processes.
DEAF_BYTES = 1.5 * 2**20


@contextlib.contextmanager
def beating(here):
    """Touches the rows in turn, ten at a time."""
    stop, paths = threading.Event(), itertools.cycle([here.path(f"row_{i}") for i in range(ROWS)])

    def beat():
        due = time.monotonic()
        while not stop.wait(max(0, due - time.monotonic())):
            for path in itertools.islice(paths, 10):
                os.utime(path)
            due += 10 / A_SECOND

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


class Subscribers:
    """subscribe.c, as many as are asked for."""

    def __init__(self, bench, here, *words):
        self.process = subprocess.Popen(
            [os.path.join(bench.build, "tests/bench/subscribe"), str(here.port), *map(str, words)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def __enter__(self):
        if self.process.stdout.readline() != "ready\n":
            raise RuntimeError("the subscribers did not get the table")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def delays(self, seconds):
        """How late beats of this time are, in ms: a dict of least, p50, p99 and worst."""
        print(seconds, file=self.process.stdin)
        said = dict(re.findall(r"(\w+) (-?\d+)", self.process.stdout.readline()))
        said = {word: int(n) for word, n in said.items()}
        if said["lost"] or said["beats"] < 0.8 * A_SECOND * seconds:
            raise RuntimeError(f"not all beats reached all subscribers: {said}")
        return said


def cpu_share(pid, measured):
    """What measured() gives, and this process's share of a core meanwhile, in percent."""
    used, began = measure.cpu(pid), time.monotonic()
    result = measured()
    return result, 100 * (measure.cpu(pid) - used) / (time.monotonic() - began)


def with_deaf(bench, here, subscribers, seconds):
    """The delays beside clients that never read, and what one of them costs the server, in bytes."""
    before = measure.rss(here.serve)
    with Subscribers(bench, here, DEAF, "deaf"):
        delays = subscribers.delays(seconds)
        return delays, (measure.rss(here.serve) - before) / DEAF


def run(bench):
    seconds, runs, many = (4, 1, 100) if bench.brief else (10, 3, SUBSCRIBERS)
    alone, beside, shares, bytes_each = [], [], [], []
    with servers.Servers(bench) as here:
        for i in range(ROWS):
            here.heartbeat(f"row_{i}", f"service=s{i % 20}\naddress=10.0.0.7:{i}\npid={i + 1}\n")
        servers.until(lambda: len(here.counters("row_*")) == ROWS, "all rows in the table")
        # Who comes gets rows that beat meanwhile again and again: all are there before the first beat.
        with Subscribers(bench, here, many) as subscribers, beating(here):
            for _ in range(runs):
                delays, share = cpu_share(here.serve, lambda: subscribers.delays(seconds))
                alone.append(delays)
                shares.append(share)
                delays, each = with_deaf(bench, here, subscribers, seconds)
                beside.append(delays)
                bytes_each.append(each)
    middle = lambda all_delays, word: sorted(d[word] for d in all_delays)[len(all_delays) // 2]
    shown = lambda all_delays: ", ".join(
        f"{word} {middle(all_delays, word)} ms" for word in ["least", "p50", "p99", "worst"])
    what = f"WebSocket: {many:,} subscribers, {ROWS:,} rows, {A_SECOND:,} beats/s"
    bench.result(what + ": CPU of disco-serve", "a core", shares, 50, unit="% of a core")
    bench.result(what + ": beat to the last subscriber, p99", "one tick",
                 [d["p99"] for d in alone], TICK_MS, unit="ms", note=shown(alone))
    what = "a WebSocket client that never reads"
    bench.result(what + ": memory of disco-serve", "what disco-serve(8) says", bytes_each, DEAF_BYTES,
                 unit="bytes", note=f"{DEAF} of them")
    bench.result(what + ": delay of the others, p99", "without it",
                 [b["p99"] / a["p99"] for a, b in zip(alone, beside)], 1.1, note=shown(beside))

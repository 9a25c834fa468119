"""The dashboard in headless Chromium, with 50,000 rows of which 5,000 change each second.

A change is a change of state, from active to warning or back, delivered as new content: the master
tells each as an event, and the page gets the row and the event.  The rows take turns, so that each
changes every ten seconds.  Measured are the time from the opening of the page to its first rows, while all this
goes on, and how much of each second the page's main thread works."""
import contextlib
import itertools
import json
import os
import shutil
import subprocess
import threading
import time

import servers

A_SECOND = 5000
HERE = os.path.dirname(os.path.abspath(__file__))


def content(i, warning):
    state = "state=warning\nreason=queue is long\n" if warning else ""
    return f"service=s{i % 50}\nhost=h{i % 200}\naddress=10.0.0.7:{i}\npid={i + 1}\n{state}"


@contextlib.contextmanager
def changing(here, rows):
    """Changes the rows in turn, some at a time."""
    stop, changes = threading.Event(), itertools.cycle(
        [(i, warning) for warning in (True, False) for i in range(rows)])

    def change():
        due = time.monotonic()
        while not stop.wait(max(0, due - time.monotonic())):
            for i, warning in itertools.islice(changes, 50):
                here.heartbeat(f"row_{i}", content(i, warning))
            due += 50 / A_SECOND

    thread = threading.Thread(target=change)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def seq(here):
    with open(here.spool + "/table") as f:
        return int(f.readline().split("seq=")[1].split()[0])


def run(bench):
    rows, seconds, opens = (5000, 4, 1) if bench.brief else (50_000, 10, 3)
    what = f"dashboard with {rows:,} rows, {A_SECOND:,} changes/s"
    if not (shutil.which("chromium") and shutil.which("node")):
        bench.skip(what, "no chromium, or no node")
        return
    if not os.path.isdir(os.path.join(bench.build, "share/disco/web/vendor")):
        bench.skip(what, "the dashboard was built without npm")
        return
    with servers.Servers(bench) as here:
        for i in range(rows):
            here.heartbeat(f"row_{i}", content(i, False))
        servers.until(lambda: len(here.counters("row_*")) == rows, "all rows in the table")
        with changing(here, rows):
            began, seq_before = time.monotonic(), seq(here)
            said = json.loads(subprocess.run(
                ["node", HERE + "/page.js", here.url + "/", bench.top + "/chromium", str(rows), str(seconds), str(opens)],
                check=True, stdout=subprocess.PIPE).stdout)
            told = (seq(here) - seq_before) / (time.monotonic() - began)
    bench.result(what + ": main thread, ms a second", "", [said["tasks"]], 150, unit="ms",
                 note=f"{said['cpu']:.0f} ms of CPU; {told:,.0f} changes/s told")
    bench.result(what + ": first rows after opening", "", said["first"], 1000, unit="ms")

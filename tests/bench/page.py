"""The dashboard in headless Chromium, with 50,000 rows of which 5,000 change each second.

A change is one of state, from active to warning or back, delivered as new content: the master tells
of each as an event, and the page gets the row and the event.  The rows take turns, so that each
changes every ten seconds.  While this goes on, page.mjs measures how soon the first rows are drawn
after the page is opened, and how much of each second its main thread works.  That is CPU time, for the
master, the server and the changes have the same cores."""
import json
import os
import shutil
import subprocess

from measure import end, middle
from serve import serve
from spool import Load

EACH_S = 5000
HERE = os.path.dirname(os.path.abspath(__file__))


def run(bench):
    rows, spans, opens = (5000, 1, 1) if bench.brief else (50_000, 5, 5)
    what = f"dashboard with {rows:,} rows, {EACH_S:,} changes a second"
    if shutil.which("chromium") is None or shutil.which("node") is None:
        bench.skip(what, "no chromium, or no node")
        return
    if not os.path.isdir(f"{bench.build}/share/disco/web/vendor"):
        bench.skip(what, "the dashboard was built without npm")
        return
    with serve(bench, rows) as server:
        load = Load(bench, "change", server.spool.hb, server.spool.tmp, rows, EACH_S, 3600, "state")
        said = chromium(bench, server.url + "/", rows, spans, opens)
        load.stop()
    bench.result(what, "CPU time of the page's main thread", said["cpu"], 150, unit="ms a second",
                 note=f"{middle(said['tasks']):.0f} ms with its waiting for a core, as Chromium counts")
    bench.result(what, "first rows after it is opened", said["first"], 1000, unit="ms",
                 note="each in a new page: " + ", ".join(f"{ms:,} ms" for ms in said["first"]))


def chromium(bench, *words):
    """What page.mjs says."""
    with bench.folder() as profile:
        child = bench.spawn(["node", f"{HERE}/page.mjs", profile, *map(str, words)], stdout=subprocess.PIPE)
        try:
            said = child.stdout.read()
            child.wait()
        finally:
            # What it started must be gone before its folder.
            end(child)
        if child.returncode != 0:
            raise SystemExit("bench: page.mjs failed")
    return json.loads(said)

"""What the master costs: CPU for each beat and for each change, and memory for each process."""
import os
import statistics
import subprocess
import time

from measure import cpu, end, middle, pairs, per, rss
from spool import Load, spool

TICK = 2.0  # seconds: the table is written once in it


def run(bench):
    touches(bench, 10_000)
    touches(bench, 1_000 if bench.brief else 100_000)
    changes(bench)


class Floor:
    """A floor that sees to the files of another folder with the same heartbeats."""

    def __init__(self, bench, how, folder):
        self.child = bench.spawn([bench.tool("floor"), how, folder], stdout=subprocess.PIPE)
        self.child.stdout.readline()
        self.pid = self.child.pid

    def stop(self):
        end(self.child)


def used(bench, pid, seconds, *words):
    """CPU seconds of a process while such a load lasts, and how many beats that were.

    The window is whole ticks long and lies within the load, so that as many tables are written in
    it as the beats call for."""
    load = Load(bench, *words, seconds + 0.6)
    time.sleep(0.3)
    before, began = cpu(pid), time.perf_counter()
    time.sleep(seconds)
    after, took = cpu(pid), time.perf_counter() - began
    made, lasted = load.wait()
    return after - before, made / lasted * took, took


def touches(bench, files):
    """Each process beats every 2 s."""
    runs, seconds, each_s = (2 if bench.brief else 4), 2 * TICK, files / 2
    with spool(bench, 0) as empty:
        time.sleep(0.5)
        nothing = rss(empty.pid)
    with spool(bench, files) as ours, spool(bench, files, start=False) as theirs:
        floor = Floor(bench, "touched", theirs.hb)
        shares = []
        ours.settle()

        def master():
            spent, beats, took = used(bench, ours.pid, seconds, "touch", ours.hb, files, each_s)
            shares.append(100 * spent / took)
            return spent / beats

        def bare():
            spent, beats, _ = used(bench, floor.pid, seconds, "touch", theirs.hb, files, each_s)
            return spent / beats

        ratios, a, b = pairs(master, bare, runs, warmup=0)
        floor.stop()
        bench.result(f"beats through the master, {files:,} processes every 2 s: CPU per beat",
                     "floor: drain inotify and stat, waking as the master does", ratios, 1.7,
                     note=f"{per(1, middle(a))} : {per(1, middle(b))}, the tables included")
        if files < 100_000:
            return
        what = f"master at {files:,} processes beating every 2 s"
        bench.result(what, "share of one core", shares, 25, unit="%")
        line = os.path.getsize(ours.table) / files
        bytes_each = (rss(ours.pid) - nothing) / files
        bench.result(what, "resident bytes per process over an empty master; its line in table + 150",
                     [bytes_each], line + 150, unit="bytes",
                     note=f"a line {line:.0f} bytes, an empty master {nothing / 1024:,.0f} KiB")
        load = Load(bench, "change", ours.hb, ours.tmp, 1000, 100, 3600, "state")
        shares.clear()
        for _ in range(runs):
            master()
        load.stop()
        bench.result(f"{what}, with 100 changes of state a second", "share of one core", shares, 40,
                     unit="%")


def changes(bench):
    """New content by rename, fast enough for the tables between to be few for each."""
    files, each_s, seconds = 1000, 5000, 2 * TICK
    with spool(bench, files) as ours, spool(bench, files, start=False) as theirs:
        floor = Floor(bench, "changed", theirs.hb)

        def of(pid, where):
            def cost():
                spent, count, _ = used(bench, pid, seconds, "change", where.hb, where.tmp, files, each_s)
                return spent / count
            return cost

        ratios, a, b = pairs(of(ours.pid, ours), of(floor.pid, theirs), 2 if bench.brief else 4, warmup=0)
        floor.stop()
        bench.result(f"changed content through the master, {each_s:,} a second: CPU per change",
                     "floor: open, fstat, read, close", ratios, 2.0,
                     note=f"{per(1, middle(a))} : {per(1, middle(b))}, events and tables included")

"""How the costs grow with the rows, up to a million of them."""
import math
import os

from master import TICK, used
from measure import middle, pairs, rss, short, whole
from spool import PATIENT, spool

EACH_S = 16_000  # beats a second, whatever the number of processes
FILE_BYTES = 5_000  # of tmpfs, for one heartbeat
ROW_BYTES = 1_500  # of memory, for a row in the master, two tables, the log and a reader


def run(bench):
    sizes = (1_000, 10_000) if bench.brief else (1_000, 10_000, 100_000, 1_000_000)
    costs = {}  # name: [title, [(rows, cost)], [(rows, cost of the floor)]]
    for n in sizes:
        why = lacks(bench, n)
        if why is not None:
            bench.skip(f"{n:,} heartbeat files, and growth up to them", why)
            break
        measure(bench, n, costs, judged=n == sizes[-1])
    for name, (title, points, floor_points) in costs.items():
        grows(bench, name, title, points, floor_points)


def lacks(bench, n):
    """Why so many files can't be made here, or None."""
    there = os.statvfs(bench.top)
    with open("/proc/meminfo") as f:
        memory = next(int(line.split()[1]) * 1024 for line in f if line.startswith("MemAvailable"))
    for what, has, needs in (("bytes of tmpfs", there.f_bavail * there.f_frsize, n * (FILE_BYTES + ROW_BYTES)),
                             ("inodes of tmpfs", there.f_favail, n),
                             ("bytes of memory", memory, n * (FILE_BYTES + ROW_BYTES))):
        if has < needs:
            return f"needs {needs:,} {what}, there are {has:,}"
    return None


def measure(bench, n, costs, judged):
    """All costs with so many rows: of several runs the shortest, which the rest of the machine
    disturbed least."""
    runs = 2 if bench.brief else 3 if n >= 1_000_000 else 5
    before = os.statvfs(bench.top).f_bfree

    def point(name, title, cost, floor=None):
        _, points, floor_points = costs.setdefault(name, (title, [], []))
        points.append((n, cost))
        if floor is not None:
            floor_points.append((n, floor))

    def seconds(argv, count=runs):
        return min(whole(argv, 1, it.env)[0] for _ in range(count))

    with spool(bench, n, start=False) as it:
        held = (before - os.statvfs(bench.top).f_bfree) * os.statvfs(bench.top).f_frsize

        def start():
            took = it.start(*PATIENT)
            it.forget()
            return took

        # The first start gets memory that a virtual machine's host has not given it yet.
        ratios, a, b = pairs(start, lambda: whole([bench.tool("floor"), "scan", it.hb], 1, bench.env)[0],
                             runs, warmup=1)
        point("start", "master's start, seconds", min(a), min(b))
        it.start(*PATIENT)
        try:
            it.settle()
            # Of a million rows the table is on its way for most of a tick.
            spent, _, took = used(bench, it.pid, (8 if judged else 2) * TICK, "touch", it.hb, n, EACH_S)
            share = 100 * spent / took
            point("beats", f"{EACH_S:,} beats a second, seconds of CPU in each", spent / took)
            memory = rss(it.pid)
            point("memory", "resident MiB of the master", memory / 2**20)
            change = min(spent / changes for spent, changes, _ in (
                used(bench, it.pid, 2 * TICK, "change", it.hb, it.tmp, n, 1000) for _ in range(2)))
            point("changes", "new content of every process, seconds of CPU", n * change)
            it.settle()
            point("everything", "disco-ls -j, seconds", seconds(["disco-ls", "-j"]))
            point("one", "disco-ls -1 of all, seconds", seconds(["disco-ls", "-1"]))
            beat = ["disco-hb", "-s", "rdb", "-a", "127.0.0.1:9090", "fx_rdb"]
            point("beat", "disco-hb NAME once for every process, seconds", n * seconds(beat, 50))
        finally:
            it.stop()
    if not judged:
        return
    what = f"{n:,} heartbeat files"
    bench.result(f"{what}: master's start", "floor: readdir and stat of the same files", ratios, 3,
                 judged=not bench.brief, note=f"{short(middle(a))} s : {short(middle(b))} s")
    bench.result(f"{what}: {EACH_S:,} beats a second", "share of one core", [share], 25, unit="%",
                 judged=not bench.brief,
                 note=f"the master holds {memory / 2**20:,.0f} MiB, {memory / n:,.0f} bytes a row; the files "
                 f"{held / 2**20:,.0f} MiB of tmpfs, {held / n:,.0f} bytes each, and an inode each")


def grows(bench, name, title, points, floor_points):
    """Judges the whole way and the last step of it, where fixed costs hide nothing."""
    law = lambda n: n * math.log(n)
    times = lambda a, b: (b[1] / a[1]) / (law(b[0]) / law(a[0]))
    if len(points) < 2:
        return
    worst = max(times(points[0], points[-1]), times(points[-2], points[-1]))
    bench.curve(name, title, points, floor_points)
    bench.result(f"growth from {points[0][0]:,} to {points[-1][0]:,} rows: {title}", "n log n", [worst], 1,
                 judged=not bench.brief, note=", ".join(f"{cost:.3g}" for _, cost in points))

"""How long it takes from a death to the line that tells of it, with other beats beside."""
import subprocess

from measure import end, middle, share, short
from spool import Load, spool


def run(bench):
    deaths(bench, 10_000, 2_000)
    if not bench.brief:
        deaths(bench, 100_000, 50_000)


def deaths(bench, files, each_s):
    """Lots of deaths; in each, those of ours and of the floor come in turn."""
    lots, deaths_a_lot = (2, 30) if bench.brief else (4, 300)
    with spool(bench, files) as it, bench.folder() as plain:
        load = Load(bench, "touch", it.hb, files, each_s, 3600)
        watch = bench.spawn(["disco-watch", "--rows", "--on", "sync,joined,error", "dying_*"],
                            env=it.env, stdout=subprocess.PIPE)
        watch.stdout.readline()  # sync: from here on it misses nothing
        ours, floors = [], []
        for _ in range(lots):
            out = subprocess.run([bench.tool("death"), it.folder, plain, str(deaths_a_lot)],
                                 stdin=watch.stdout, stdout=subprocess.PIPE, text=True, check=True).stdout
            both = [tuple(int(ns) / 1e6 for ns in line.split()) for line in out.splitlines()]
            ours.append([a for a, _ in both])
            floors.append([b for _, b in both])
        load.stop()
        end(watch)
    what = f"kill -9 to disco-watch's line, {files:,} rows, {each_s:,} beats a second"
    median = lambda lists: [middle(lot) for lot in lists]
    late = lambda lists: [share(lot, 0.99) for lot in lists]
    against = "floor: inotify IN_CLOSE_WRITE to a read()"
    bench.result(what, against + ", median", [a / b for a, b in zip(median(ours), median(floors))], 3,
                 note=f"{short(middle(median(ours)))} ms : {short(middle(median(floors)))} ms")
    bench.result(what, against + ", p99 more", [a - b for a, b in zip(late(ours), late(floors))], 2,
                 unit="ms", note=f"{short(middle(late(ours)))} ms : {short(middle(late(floors)))} ms")

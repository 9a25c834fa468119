"""What a heartbeat costs its sender, and how many of one sender get into the table."""
import itertools
import os
import subprocess
import time

from measure import etcd, middle, pairs, per, redis, whole
from spool import Load, spool

TEXT = "service=rdb\nhost=here\nip=10.0.0.1\naddress=127.0.0.1:9090\n"
ROUND = 10_000  # names that are touched in turn: each is seen before its turn comes again


def run(bench):
    beat(bench)
    first(bench, bench.top)
    first(bench, bench.build)
    rate(bench)


def beat(bench):
    """The same heartbeat again, by a process that lives for one beat."""
    what = "disco-hb NAME, repeated beat, whole process"
    with spool(bench, 0) as ours, redis(bench) as store, etcd(bench) as other:
        hb = ["disco-hb", "-s", "rdb", "-a", "127.0.0.1:9090", "fx_rdb"]

        def against(words, argv, n, limit):
            """n processes a run of theirs; ours are shorter, so more of them."""
            many = 50
            runs = 3 if bench.brief else 20
            ratios, a, b = pairs(lambda: whole(hb, many, ours.env)[0] / many,
                                 lambda: whole(argv, n, bench.env)[0] / n, runs)
            used = whole(hb, many, ours.env)[1] / many / (whole(argv, n, bench.env)[1] / n)
            bench.result(what, words, ratios, limit, note=f"{per(1, middle(a))} : {per(1, middle(b))}; "
                         f"CPU time alone {used:.2f}")

        against("/bin/true", ["/bin/true"], 50, 0.9)
        if store is None:
            bench.skip(what, "redis-cli SET: no redis-server")
        else:
            against("redis-cli SET", ["redis-cli", "-p", str(store.port), "SET", "fx_rdb", TEXT], 20, 1 / 5)
        if other is None:
            bench.skip(what, "etcdctl put, curl: no etcd")
        else:
            against("etcdctl put", ["etcdctl", f"--endpoints={other.url}", "put", "fx_rdb", TEXT], 5, 1 / 10)
            against("curl", ["curl", "-s", other.url + "/version"], 10, 1 / 6)


def filesystem(path):
    """The type of the file system that holds this path."""
    return subprocess.run(["stat", "-f", "-c", "%T", path], capture_output=True, text=True,
                          check=True).stdout.strip().replace("ext2/ext3", "ext4")


def first(bench, where):
    """A heartbeat that says something new: for a name that is new, and for one that is there."""
    kind, many, count = filesystem(where), 50, itertools.count()
    with bench.folder(where) as folder:
        for part in ("hb", "tmp"):
            os.mkdir(f"{folder}/{part}")
        env = {**bench.env, "DISCO_SPOOL": folder}
        floor = bench.tool("floor")

        def ours(name, n):
            return ["disco-hb", "-s", "rdb", "-a", "127.0.0.1:9090", "-m", f"n={n}", name(n)]

        def theirs(name, n):
            name = "floor_" + name(n)
            return [floor, "deliver", f"{folder}/tmp/{name}.{n}", f"{folder}/hb/{name}",
                    TEXT + f"meta.n={n}\n"]

        def seconds(make, name):
            return whole(lambda _: make(name, next(count)), many, env)[0] / many

        for words, name in (("first beat", lambda n: f"new_{n}"), ("new content", lambda n: "known")):
            ratios, a, b = pairs(lambda: seconds(ours, name), lambda: seconds(theirs, name),
                                 3 if bench.brief else 15)
            bench.result(f"{words} on {kind}, whole process", "floor: write and rename", ratios, 1.3,
                         note=f"{per(1, middle(a))} : {per(1, middle(b))}")


def rate(bench):
    """How many touches a second are all in the table: that none is lost, the counters say."""
    what = f"beats per second, one sender over {ROUND:,} names, end to end into the table"
    with spool(bench, ROUND, "-t", "100ms") as ours, redis(bench) as store:
        if store is None:
            bench.skip(what, "Redis SET: no redis-server")
            return
        seconds = 1 if bench.brief else 3
        fastest = search(lambda beats: delivered(bench, ours, beats, 1))
        tries = itertools.count()

        def beats():
            """At the rate that was found; where it is too much this time, a little less."""
            nonlocal fastest
            while (got := delivered(bench, ours, fastest, seconds)[0]) == 0:
                next(tries)
                fastest *= 0.95
            return got

        ratios, a, b = pairs(beats, lambda: sets(bench, store), 3 if bench.brief else 5)
        bench.result(what, "Redis SET, 50 clients, no pipelining", ratios, 4, least=True,
                     note=f"{middle(a):,.0f} : {middle(b):,.0f} a second, counters equal to the touches; "
                     f"too fast {next(tries)} times and then slower")


def delivered(bench, ours, beats, seconds):
    """Touches a second until the table has them all, 0 when some are not in it; and as they were made."""
    before, began = ours.beats(), time.perf_counter()
    made, took = Load(bench, "touch", ours.hb, ROUND, beats, seconds).wait()
    give_up = time.perf_counter() + 1
    while time.perf_counter() < give_up:
        if ours.beats() - before == made:
            return made / (time.perf_counter() - began), made / took
        time.sleep(0.01)
    return 0, made / took


def search(works, low=20_000, high=1_000_000):
    """The greatest rate that works, once in three times, to the nearest few per cent; or that of a
    sender in a hurry."""
    while high / low > 1.02:
        guess = (low * high) ** 0.5
        for _ in range(3):
            got, made = works(guess)
            if got > 0:
                break
        if 0 < got and made < 0.9 * guess:
            return made
        low, high = (guess, high) if got > 0 else (low, guess)
    return low


def sets(bench, store):
    """Redis SETs a second, as its own benchmark counts them."""
    out = subprocess.run(["redis-benchmark", "-p", str(store.port), "-t", "set", "-c", "50", "-d", "100",
                          "-n", "100000", "-r", str(ROUND), "--csv"], env=bench.env, text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout
    return float(out.splitlines()[-1].split(",")[1].strip('"'))

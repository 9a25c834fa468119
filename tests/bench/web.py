"""Heartbeats by HTTP, side by side with Redis and etcd.

Both sides keep 50 connections, and each side's generator is one thread: post.c, which takes no
answer but a 2xx for one, and redis-benchmark.  What is sent for each of 1,000 processes is the same
every time, as heartbeats are, and Redis's value has as many bytes.  A master runs beside, on
the same spool.  At the end its table has all of the processes, and the server has delivered all that
it answered.

What is not judged shows where the limit is: a floor, answer.c, which reads a request to its end,
touches as many files of the same spool and answers, and does nothing else."""
import contextlib
import json
import re
import subprocess
import urllib.request

import measure
from measure import Peer, end, middle, pairs
from serve import serve

PROCESSES = 1000
CONNECTIONS = 50
BATCH = 100
PIPELINE = 64

HEARTBEATS = [json.dumps({"process": f"web_{i}", "service": "web", "address": f"10.0.0.7:{8000 + i}",
                          "pid": 1000 + i, "every": 2}) for i in range(PROCESSES)]


def run(bench):
    with serve(bench, 0) as server:
        answered = sum(section(bench, server) for section in (beside_redis, beside_etcd, batches))
        delivered = server.metric("disco_serve_heartbeats_total")
        if delivered < answered:
            raise SystemExit(f"bench: {answered} heartbeats were answered, {delivered} delivered")
        server.wait_for_rows("web_*", PROCESSES)


class Post:
    """Requests a second with these bodies in turn, each time it is called."""

    def __init__(self, bench, server, path, bodies):
        self.tool, self.port, self.path = bench.tool("post"), server.port, path
        self.seconds, self.answered = 1 if bench.brief else 3, 0
        self.file = bench.top + "/bodies"
        self.bodies = "".join(body + "\n\n" for body in bodies)

    def __call__(self):
        with open(self.file, "w") as f:
            f.write(self.bodies)
        said = subprocess.run(
            [self.tool, str(self.port), self.path, self.file, str(CONNECTIONS), str(self.seconds)],
            check=True, stdout=subprocess.PIPE, text=True).stdout
        answered, failed, seconds = re.search(
            r"answered (\d+) failed (\d+) seconds ([\d.]+)", said).groups()
        if int(failed) or not int(answered):
            raise SystemExit(f"bench: {self.path}: {failed} requests failed, {answered} did not")
        self.answered += int(answered)
        return int(answered) / float(seconds)


def heartbeats(bench, server, each=1):
    """So many heartbeats in each request."""
    return Post(bench, server, "/v1/heartbeat",
                ["\n".join(HEARTBEATS[i:i + each]) for i in range(0, PROCESSES, each)])


@contextlib.contextmanager
def floor(bench, server, each):
    """A server that touches so many files for each request, and files of its own for it."""
    for i in range(PROCESSES):
        open(f"{server.spool.hb}/floor_{i}", "w").close()
    child = bench.spawn([bench.tool("answer"), server.spool.hb, "floor", str(PROCESSES), str(each)],
                        stdout=subprocess.PIPE)
    try:
        yield heartbeats(bench, Peer(int(child.stdout.readline()), child), each)
    finally:
        end(child)


def redis_set(bench, redis, requests, *options):
    """Redis's SETs a second, of as many keys."""
    def rate():
        said = subprocess.run(
            ["redis-benchmark", "-p", str(redis.port), "-t", "set", "-c", str(CONNECTIONS),
             "-n", str(requests // 10 if bench.brief else requests), "-r", str(PROCESSES),
             "-d", str(len(HEARTBEATS[0])), "--csv", *options],
            check=True, capture_output=True, text=True).stdout
        return float(re.search(r'^"SET","([\d.]+)"', said, re.M)[1])
    return rate


def leases(etcd):
    """As many of etcd's leases, and the bodies that keep them alive."""
    for i in range(1, PROCESSES + 1):
        urllib.request.urlopen(etcd.url + "/v3/lease/grant",
                               json.dumps({"ID": i, "TTL": 3600}).encode()).read()
    return [json.dumps({"ID": i}) for i in range(1, PROCESSES + 1)]


def compare(bench, what, against, ours, theirs, limit, each=1):
    """Interleaved runs of both; returns the heartbeats that were answered."""
    ratios, a, b = pairs(ours, theirs, 1 if bench.brief else 5)
    bench.result(what, against, [each * ratio for ratio in ratios], limit, least=True,
                 note=f"{each * middle(a):,.0f} : {middle(b):,.0f} a second")
    return each * ours.answered


def limits(bench, server, what, against, theirs, limit, each=1):
    """The floor between ours and theirs."""
    with floor(bench, server, each) as least:
        ours, runs = heartbeats(bench, server, each), 1 if bench.brief else 3
        bench.result(what, "the floor", pairs(ours, least, runs)[0], 1, least=True, judged=False)
        ratios, a, b = pairs(least, theirs, runs)
        bench.result(what + ": the floor", against, [each * ratio for ratio in ratios], limit,
                     least=True, judged=False,
                     note=f"{each * middle(a):,.0f} : {middle(b):,.0f} a second")
        return each * ours.answered


def beside_redis(bench, server):
    """One heartbeat a request, and one SET."""
    what, against = f"heartbeats by HTTP, {CONNECTIONS} connections", "Redis SET, not pipelined"
    with measure.redis(bench) as redis:
        if redis is None:
            bench.skip(what, against + ": no redis-server")
            return 0
        theirs = redis_set(bench, redis, 200_000)
        return (compare(bench, what, against, heartbeats(bench, server), theirs, 1.2) +
                limits(bench, server, what, against, theirs, 1.2))


def beside_etcd(bench, server):
    """One heartbeat a request, and one lease kept alive."""
    what, against = f"heartbeats by HTTP, {CONNECTIONS} connections", "etcd's lease keep-alive by JSON"
    with measure.etcd(bench) as etcd:
        if etcd is None:
            bench.skip(what, against + ": no etcd")
            return 0
        return compare(bench, what, against, heartbeats(bench, server),
                       Post(bench, etcd, "/v3/lease/keepalive", leases(etcd)), 8)


def batches(bench, server):
    """100 heartbeats a request, and 64 SETs in the pipe: heartbeats for each SET."""
    what, against = f"heartbeats by HTTP, batches of {BATCH}", f"Redis SET, pipelined {PIPELINE}"
    with measure.redis(bench) as redis:
        if redis is None:
            bench.skip(what, against + ": no redis-server")
            return 0
        theirs = redis_set(bench, redis, 2_000_000, "-P", str(PIPELINE))
        return (compare(bench, what, against, heartbeats(bench, server, BATCH), theirs, 0.3, BATCH) +
                limits(bench, server, what, against, theirs, 0.3, BATCH))

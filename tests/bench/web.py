"""Heartbeats by HTTP, side by side with Redis and etcd.

Both sides keep 50 connections, and each side's generator is one thread: wrk, which counts every
answer above 399 as a failure, and redis-benchmark.  What is sent is the same every time for each of
1,000 processes, as heartbeats are, and the bytes of a heartbeat are those of Redis's value.  A master
runs beside, on the same spool; at the end its table has all of the processes, and the server has
delivered all that was answered."""
import json
import os
import re
import subprocess
import urllib.request

import measure
import servers

PROCESSES = 1000
CONNECTIONS = 50
BATCH = 100
PIPELINE = 64
HERE = os.path.dirname(os.path.abspath(__file__))

HEARTBEATS = [json.dumps({"process": f"web_{i}", "service": "web", "address": f"10.0.0.7:{8000 + i}",
                          "pid": 1000 + i, "every": 2}) for i in range(PROCESSES)]


class Post:
    """Requests per second with these bodies, each time it is called."""

    def __init__(self, bench, url, name, bodies):
        self.url, self.seconds, self.answered = url, 1 if bench.brief else 3, 0
        self.file = os.path.join(bench.top, name)
        with open(self.file, "w") as f:
            f.writelines(body + "\n\n" for body in bodies)

    def __call__(self):
        said = subprocess.run(
            ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{self.seconds}s", "-s", f"{HERE}/post.lua",
             self.url, "--", self.file], check=True, capture_output=True, text=True).stdout
        answered, failed, seconds = re.search(
            r"answered (\d+) failed (\d+) seconds ([\d.]+)", said).groups()
        if int(failed) or not int(answered):
            raise RuntimeError(f"{self.url}: {failed} of {answered} requests failed")
        self.answered += int(answered)
        return int(answered) / float(seconds)


def redis_set(bench, port, requests, *options):
    """Redis's SETs per second of as many keys, with values as long as a heartbeat."""
    def measure_it():
        said = subprocess.run(
            ["redis-benchmark", "-p", str(port), "-t", "set", "-c", str(CONNECTIONS),
             "-n", str(requests // 10 if bench.brief else requests), "-r", str(PROCESSES),
             "-d", str(len(HEARTBEATS[0])), "--csv", *options],
            check=True, capture_output=True, text=True).stdout
        return float(re.search(r'^"SET","([\d.]+)"', said, re.M)[1])
    return measure_it


def leases(url):
    """As many of etcd's leases, and the bodies that keep them alive."""
    for i in range(1, PROCESSES + 1):
        body = json.dumps({"ID": i, "TTL": 3600}).encode()
        urllib.request.urlopen(url + "/v3/lease/grant", body).read()
    return [json.dumps({"ID": i}) for i in range(1, PROCESSES + 1)]


def rates(ours, theirs, name, each=1):
    """The note: what both did in a second."""
    middle = lambda rates: sorted(rates)[len(rates) // 2]
    return f"{each * middle(ours):,.0f} heartbeats/s, {name} {middle(theirs):,.0f}/s"


def one_each(bench, here, runs):
    """One heartbeat a request: how many a second, against Redis SET and etcd's lease keep-alive."""
    post = Post(bench, here.url + "/v1/heartbeat", "heartbeats", HEARTBEATS)
    what = f"heartbeats by HTTP, one each, {CONNECTIONS} connections"
    with measure.redis() as redis:
        if redis is None:
            bench.skip(what, "no redis-server")
        else:
            ratios, ours, theirs = measure.pairs(post, redis_set(bench, redis.port, 200_000), runs)
            bench.result(what, "Redis SET", ratios, 1.2, least=True,
                         note=rates(ours, theirs, "Redis"))
    with measure.etcd() as etcd:
        if etcd is None:
            bench.skip(what, "no etcd")
        else:
            keep = Post(bench, etcd.url + "/v3/lease/keepalive", "leases", leases(etcd.url))
            ratios, ours, theirs = measure.pairs(post, keep, runs)
            bench.result(what, "etcd's lease keep-alive", ratios, 8, least=True,
                         note=rates(ours, theirs, "etcd"))
    return post.answered


def batches(bench, here, runs):
    """100 heartbeats a request, against Redis with 64 SETs in the pipe: heartbeats per SET."""
    bodies = ["\n".join(HEARTBEATS[i:i + BATCH]) for i in range(0, PROCESSES, BATCH)]
    post = Post(bench, here.url + "/v1/heartbeat", "batches", bodies)
    what = f"heartbeats by HTTP, {BATCH} each"
    with measure.redis() as redis:
        if redis is None:
            bench.skip(what, "no redis-server")
            return 0
        pipelined = redis_set(bench, redis.port, 2_000_000, "-P", str(PIPELINE))
        ratios, ours, theirs = measure.pairs(post, pipelined, runs)
        bench.result(what, f"Redis SET, pipelined {PIPELINE}", [BATCH * r for r in ratios], 0.3,
                     least=True, note=rates(ours, theirs, "Redis", BATCH))
    return BATCH * post.answered


def run(bench):
    runs = 1 if bench.brief else 5
    with servers.Servers(bench) as here:
        answered = one_each(bench, here, runs) + batches(bench, here, runs)
        delivered = here.metric("disco_serve_heartbeats_total")
        if delivered < answered:
            raise RuntimeError(f"{answered} heartbeats were answered, {delivered} delivered")
        servers.until(lambda: len(here.counters("web_*")) == PROCESSES, "all processes in the table")

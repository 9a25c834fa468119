"""What it costs to ask the table: for all of it, and for one address."""
import base64
import json
import subprocess
import urllib.request

from measure import etcd, middle, pairs, short, until, whole
from spool import PATIENT, spool

PREFIX = "disco/"
A_TXN = 2000


def run(bench):
    files = 1_000 if bench.brief else 100_000
    with spool(bench, files, *PATIENT) as it:
        it.settle()
        everything(bench, it)
        one(bench, it)


def seconds(argv, env, n=1):
    return lambda: whole(argv, n, env)[0] / n


def everything(bench, it):
    """All rows as JSON."""
    what, runs = f"disco-ls -j over {it.files:,} rows", 2 if bench.brief else 4
    ours = seconds(["disco-ls", "-j"], it.env)
    rows = f"{it.folder}/rows"
    with open(rows, "wb") as f:
        subprocess.run(["disco-ls", "-j"], stdout=f, env=it.env, check=True)

    def against(words, argv, limit):
        ratios, a, b = pairs(ours, seconds(argv, bench.env), runs, warmup=0)
        bench.result(what, words, ratios, limit, judged=not bench.brief,
                     note=f"{short(middle(a))} s : {short(middle(b))} s")

    against("jq -c . over its output", ["jq", "-c", ".", rows], 1 / 8)
    with etcd(bench) as peer:
        if peer is None:
            bench.skip(what, "etcdctl get --prefix: no etcd")
            return
        with open(rows, "rb") as f:
            put(peer, f.read().splitlines())
        against("etcdctl get --prefix of the same rows",
                ["etcdctl", f"--endpoints={peer.url}", "get", "--prefix", PREFIX], 1 / 4)


def put(peer, lines):
    """Gives etcd the rows, each under its name."""
    text = lambda b: base64.b64encode(b).decode()
    for at in range(0, len(lines), A_TXN):
        puts = [{"requestPut": {"key": text((PREFIX + json.loads(line)["process"]).encode()),
                                "value": text(line)}} for line in lines[at : at + A_TXN]]
        request = urllib.request.Request(peer.url + "/v3/kv/txn", json.dumps({"success": puts}).encode())
        with urllib.request.urlopen(request) as answer:
            answer.read()


def one(bench, it):
    """An address of a service: only the last row is one of it, so that both must go through all."""
    subprocess.run(["disco-hb", "-s", "rare", "-a", "127.0.0.1:9090", "zzz"], env=it.env, check=True)
    rare = ["disco-ls", "-1", "-s", "rare"]
    until(lambda: subprocess.run(rare, env=it.env, stdout=subprocess.DEVNULL).returncode == 0, "a row")
    it.settle()
    n = 5
    ratios, a, b = pairs(seconds(rare, it.env, n),
                         seconds(["grep", "-m1", "-F", "\trare\t", it.table], bench.env, n),
                         3 if bench.brief else 15)
    common = seconds(["disco-ls", "-1", "-s", "svc001"], it.env, n)()
    bench.result(f"disco-ls -1 -s NAME at {it.files:,} rows", "grep -m1 in the table", ratios, 2.0,
                 judged=not bench.brief,
                 note=f"{short(1000 * middle(a))} ms : {short(1000 * middle(b))} ms, for the service of the "
                 f"last row alone; {short(1000 * common)} ms for one of every thousandth row")

"""What the sections of the bench measure with, and where they put what they saw."""
import contextlib
import math
import os
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.request

PATIENCE = 60  # seconds that anything is waited for


class Bench:
    """One run of the bench: its folder, its processes, its results."""

    def __init__(self, build, brief=False):
        self.build, self.brief = build, brief
        self.rows, self.curves, self.missed = [], [], []
        tmpfs = os.environ.get("TMPDIR", "/tmp") if not os.access("/dev/shm", os.W_OK) else "/dev/shm"
        self.top = tempfile.mkdtemp(prefix="disco-bench.", dir=tmpfs)
        self.children = []
        self.env = {**os.environ, "LC_ALL": "C", "PATH": f"{build}/bin:{os.environ['PATH']}"}
        for word in ("DISCO_SPOOL", "DISCO_URL", "DISCO_TOKEN_FILE"):
            self.env.pop(word, None)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for child in self.children:
            end(child, signal.SIGKILL)
        remove(self.top)

    def tool(self, name):
        """The path of a program of the bench's own, one of tests/bench/*.c."""
        return f"{self.build}/tests/bench/{name}"

    def spawn(self, argv, **how):
        """Starts what must not outlive the bench."""
        how.setdefault("env", self.env)
        child = subprocess.Popen(argv, **how)
        self.children.append(child)
        return child

    def result(self, what, against, ratios, limit, least=False, unit="", note="", judged=True):
        """A row of the table: the median of ratios is judged, their spread is shown.

        judged=False is for what was measured at a size that the target is not meant for."""
        middle = statistics.median(ratios)
        met = middle >= limit if least else middle <= limit
        row = dict(what=what, against=against, note=note,
                   met="not judged" if not judged else "yes" if met else "MISSED",
                   target=("≥ " if least else "≤ ") + figure(limit, unit),
                   median=figure(middle, unit), spread=f"{short(min(ratios))} – {short(max(ratios))}")
        if judged and not met:
            self.missed.append(f"{what} : {against}: {row['median']}, target {row['target']}")
        self.say(row)

    def skip(self, what, why):
        """A row that could not be measured here."""
        self.say(dict(what=what, against=why, target="", median="", spread="", met="SKIPPED", note=""))

    def say(self, row):
        self.rows.append(row)
        print("{met:11}{what} : {against}: {median} ({spread}), target {target}".format(**row)
              if row["target"] else "{met:11}{what}: {against}".format(**row), flush=True)
        if row["note"]:
            print(11 * " " + row["note"], flush=True)

    def curve(self, name, title, points, floor_points=None):
        """A scaling curve: points are (rows, cost).  It is drawn at the end, as NAME.svg."""
        self.curves.append((name, title, points, floor_points))

    @contextlib.contextmanager
    def folder(self, under=None):
        """A folder for a while, and whatever is started meanwhile."""
        path = tempfile.mkdtemp(prefix="disco-bench.", dir=under or self.top)
        others = len(self.children)
        try:
            yield path
        finally:
            while len(self.children) > others:
                end(self.children.pop(), signal.SIGKILL)
            remove(path)


def remove(path):
    """A folder that may have a million files: Python takes its time for them."""
    subprocess.run(["rm", "-rf", path], check=False)


def short(n):
    """A number in as many digits as say something."""
    if n == 0 or not math.isfinite(n):
        return str(n)
    return f"{n:,.{max(0, 2 - math.floor(math.log10(abs(n))))}f}"


def figure(n, unit):
    return f"{short(n)} {unit}".rstrip()


def per(count, seconds):
    """Seconds for so many, as microseconds for one."""
    return f"{short(1e6 * seconds / count)} µs"


def middle(values):
    return statistics.median(values)


def share(values, part):
    """The value below which so great a part of them is."""
    values = sorted(values)
    return values[min(len(values) - 1, int(part * len(values)))]


def pairs(ours, theirs, runs, warmup=1):
    """Runs the two in turn, A B A B, and returns the ratios and both lists."""
    for _ in range(warmup):
        ours(), theirs()
    both = [(ours(), theirs()) for _ in range(runs)]
    return [a / b for a, b in both], [a for a, _ in both], [b for _, b in both]


def whole(argv, n, env=None, status=0):
    """Wall and CPU seconds of n runs of a whole process, one after the other, from spawn to wait.

    argv is a list, or a function of 0..n-1 that makes one.  What they print goes nowhere."""
    env = env if env is not None else os.environ
    lists = [argv(i) for i in range(n)] if callable(argv) else [argv] * n
    path = shutil.which(lists[0][0], path=env.get("PATH"))
    null = os.open(os.devnull, os.O_RDWR)
    actions = [(os.POSIX_SPAWN_DUP2, null, fd) for fd in (0, 1)]
    used, began = 0.0, time.perf_counter()
    for words in lists:
        pid = os.posix_spawn(path, words, env, file_actions=actions)
        _, ended, usage = os.wait4(pid, 0)
        if os.waitstatus_to_exitcode(ended) != status:
            raise SystemExit(f"bench: {' '.join(words)}: status {os.waitstatus_to_exitcode(ended)}")
        used += usage.ru_utime + usage.ru_stime
    took = time.perf_counter() - began
    os.close(null)
    return took, used


def cpu(pid):
    """CPU seconds that a process, with all its threads, has used so far."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat") as f:
            total += int(f.read().split()[0])
    return total / 1e9


def rss(pid):
    """Resident bytes of a process."""
    with open(f"/proc/{pid}/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def until(true, what, pause=0.01):
    """Waits until it is so."""
    end_at = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > end_at:
            raise SystemExit(f"bench: {what}: not so after {PATIENCE} s")
        time.sleep(pause)


def end(child, signo=signal.SIGTERM):
    """Ends a process that was spawned, and waits for it."""
    if child.poll() is None:
        child.send_signal(signo)
        child.wait()
    if child.stdout is not None:
        child.stdout.close()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Peer:
    """A server that we are compared with: its port, its url, its process."""

    def __init__(self, port, child):
        self.port, self.url, self.child, self.pid = port, f"http://127.0.0.1:{port}", child, child.pid


@contextlib.contextmanager
def served(bench, argv, port, ready):
    """A peer, once ready(peer) is true of it."""
    if shutil.which(argv[0]) is None:
        yield None
        return
    child = bench.spawn(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        peer = Peer(port, child)
        until(lambda: child.poll() is not None or ready(peer), argv[0])
        if child.poll() is not None:
            raise SystemExit(f"bench: {argv[0]}: ended with {child.returncode} at its start")
        yield peer
    finally:
        end(child)


def answers(peer):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", peer.port), 1):
        return True
    return False


def healthy(peer):
    with contextlib.suppress(OSError), urllib.request.urlopen(peer.url + "/health", timeout=1) as f:
        return b'"true"' in f.read()
    return False


@contextlib.contextmanager
def redis(bench):
    """A Redis that keeps nothing on disk; None where there is none."""
    port = free_port()
    with bench.folder() as folder, served(
            bench, ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", folder,
                    "--save", "", "--appendonly", "no"], port, answers) as peer:
        yield peer


@contextlib.contextmanager
def etcd(bench):
    """An etcd of one member on tmpfs that need not wait for a disk; None where there is none."""
    port, other = free_port(), free_port()
    url, peers = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{other}"
    with bench.folder() as folder, served(
            bench, ["etcd", "--data-dir", folder, "--unsafe-no-fsync", "--log-level", "error",
                    "--max-txn-ops", "10000", "--max-request-bytes", "67108864",
                    "--listen-client-urls", url, "--advertise-client-urls", url,
                    "--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers,
                    "--initial-cluster", f"default={peers}"], port, healthy) as peer:
        yield peer

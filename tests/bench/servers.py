"""A master and a server on a spool of their own, for the sections that ask over the network."""
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import urllib.request

PATIENCE = 60  # seconds; who needs them hangs


def until(condition, words):
    """Waits for a condition, never for a time."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError("waited in vain for " + words)
        time.sleep(0.02)


class Servers:
    """with Servers(bench) as here: .spool, .url, .port, and the pids .master and .serve."""

    def __init__(self, bench):
        self.bin = os.path.join(bench.build, "bin")
        self.spool = tempfile.mkdtemp(prefix="spool.", dir=bench.top)
        self.processes = []

    def __enter__(self):
        try:
            self.master, _ = self.start("disco-master")
            # Nobody keeps to a limit of requests who is to show how many there can be.
            self.serve, ready = self.start(
                "disco-serve", "--listen", "127.0.0.1:0", "--max-requests", "0")
            self.url = ready.split()[1]
            self.port = int(self.url.rpartition(":")[2])
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.terminate()
            process.wait()
            process.stdout.close()
        shutil.rmtree(self.spool)

    def start(self, program, *options):
        process = subprocess.Popen([os.path.join(self.bin, program), "-d", self.spool, *options],
                                   stdout=subprocess.PIPE, text=True)
        self.processes.append(process)
        ready = process.stdout.readline()
        if not ready.startswith("ready"):
            raise RuntimeError(program + " did not start")
        return process.pid, ready

    def heartbeat(self, name, content):
        """One as a sender delivers it: written beside, and renamed."""
        temporary = f"{self.spool}/tmp/{name}.bench"
        with open(temporary, "w") as f:
            f.write(content)
        os.rename(temporary, self.path(name))

    def path(self, name):
        return f"{self.spool}/hb/{name}"

    def get(self, path):
        with urllib.request.urlopen(self.url + path) as answer:
            return answer.read().decode()

    def metric(self, name):
        return int(re.search(rf"^{name} (\d+)", self.get("/metrics"), re.M)[1])

    def counters(self, pattern):
        """The counter of each process in the server's table whose name matches."""
        rows = json.loads(self.get("/v1/table?process=" + pattern))
        return {row["process"]: row["counter"] for row in rows}

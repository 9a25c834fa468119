"""A spool of the bench's own, its master, and the load on it."""
import contextlib
import os
import shutil
import signal
import subprocess
import time

from measure import end, until

PATIENT = ("-w", "1h", "-e", "2h", "-f", "3h")  # for a master of processes that do not beat


class Spool:
    """So many heartbeat files, named as load.c names them, and a master when it is started."""

    def __init__(self, bench, folder, files):
        self.bench, self.folder, self.files = bench, folder, files
        self.hb, self.tmp, self.table = (f"{folder}/{part}" for part in ("hb", "tmp", "table"))
        self.env = {**bench.env, "DISCO_SPOOL": folder}
        for part in (self.hb, self.tmp):
            os.mkdir(part)
            os.chmod(part, 0o1777)
        if files > 0:
            subprocess.run([bench.tool("load"), "make", self.hb, str(files)], check=True)

    def start(self, *options):
        """Starts a master; returns the seconds until it was ready."""
        began = time.perf_counter()
        self.child = self.bench.spawn(["disco-master", "-d", self.folder, *options],
                                      stdout=subprocess.PIPE, env=self.env)
        if self.child.stdout.readline() != b"ready\n":
            raise SystemExit("bench: disco-master did not start")
        took = time.perf_counter() - began
        self.pid = self.child.pid
        return took

    def stop(self):
        end(self.child)

    def forget(self):
        """Kills the master and removes what it wrote: the next one starts from the files alone."""
        end(self.child, signal.SIGKILL)
        shutil.rmtree(f"{self.folder}/events")
        os.unlink(self.table)

    def settle(self):
        """Waits until the table is newer than the newest segment of the log, as it soon is when
        processes beat: its readers need not go through that segment's keyframe too."""
        path, begun = next(os.scandir(self.hb)).path, time.time()

        def newest():
            os.utime(path)
            with open(self.table) as f:
                segment = max(os.listdir(f"{self.folder}/events"))
                return os.fstat(f.fileno()).st_mtime > begun and f"log={segment}:" in f.readline()

        until(newest, "a table behind the keyframe")

    def column(self, *names):
        """The values of these columns in the table, a tuple for each row."""
        with open(self.table) as f:
            f.readline()
            places = [f.readline().rstrip("\n").split("\t").index(name) for name in names]
            for line in f:
                values = line.rstrip("\n").split("\t")
                yield tuple(values[place] for place in places)

    def beats(self):
        """All beats that the table tells of."""
        return sum(int(counter) for counter, in self.column("counter"))


@contextlib.contextmanager
def spool(bench, files, *options, start=True):
    """A spool with its master, for a while."""
    with bench.folder() as folder:
        it = Spool(bench, folder, files)
        if start:
            it.start(*options)
        try:
            yield it
        finally:
            if start:
                it.stop()


class Load:
    """Files that are touched or changed beside what is measured: evenly, for so many seconds."""

    def __init__(self, bench, *words):
        self.child = bench.spawn([bench.tool("load"), *map(str, words)], stdout=subprocess.PIPE)

    def wait(self):
        """How many were made, and in how many seconds."""
        made, seconds = self.child.stdout.read().split()
        end(self.child)
        return int(made), float(seconds)

    def stop(self):
        end(self.child)

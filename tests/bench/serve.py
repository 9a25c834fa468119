"""A disco-serve on a spool of the bench's own, with its master."""
import contextlib
import json
import re
import subprocess
import urllib.request

from measure import end, until
from spool import PATIENT, spool


class Serve:
    """The server of a spool, ready to be asked."""

    def __init__(self, bench, spool):
        self.spool = spool
        # Who is to show how many requests there can be must not keep to a limit of them.
        self.child = bench.spawn(
            ["disco-serve", "-d", spool.folder, "--listen", "127.0.0.1:0", "--max-requests", "0"],
            stdout=subprocess.PIPE, env=spool.env)
        self.pid = self.child.pid
        self.url = self.child.stdout.readline().decode().removeprefix("ready ").strip()
        if not self.url.startswith("http://"):
            raise SystemExit("bench: disco-serve did not start")
        self.port = int(self.url.rpartition(":")[2])

    def get(self, path):
        with urllib.request.urlopen(self.url + path) as answer:
            return answer.read().decode()

    def metric(self, name):
        return int(re.search(rf"^{name} (\d+)", self.get("/metrics"), re.M)[1])

    def wait_for_rows(self, pattern, count):
        """Until so many processes that match are in its table."""
        until(lambda: len(json.loads(self.get(f"/v1/table?process={pattern}"))) == count,
              f"{count} rows of {pattern}", pause=0.1)


@contextlib.contextmanager
def serve(bench, files):
    """A spool with so many files, its master and its server, for a while.  Nobody is late in it,
    however long it takes until all that is measured has begun."""
    with spool(bench, files, *PATIENT) as it:
        server = Serve(bench, it)
        try:
            if files > 0:
                server.wait_for_rows("app_*", files)
            yield server
        finally:
            end(server.child)

#!/usr/bin/env python3
"""race.py N: two masters are started on a spool at the same instant, N times; one of them wins."""
import os, subprocess, sys, tempfile

master = os.environ["DISCO_BUILD"] + "/bin/disco-master"
with tempfile.TemporaryDirectory(prefix="disco-race.") as top:
    for i in range(int(sys.argv[1])):
        both = [subprocess.Popen([master, "-d", "%s/%d" % (top, i), "-t", "50ms"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
        ready = [one.stdout.readline() for one in both]
        assert sorted(ready) == [b"", b"ready\n"], "round %d: %s" % (i, ready)
        for one, line in zip(both, ready):
            if line:
                one.terminate()
            said = one.communicate()[1]
            assert one.returncode == (0 if line else 3), "round %d: %d, %s" % (i, one.returncode, said)
            assert line or b"a master runs already, pid " in said, said
print("%s rounds, one winner each" % sys.argv[1])

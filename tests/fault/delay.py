#!/usr/bin/env python3
"""delay.py MOST DONE: touches a heartbeat of its own in $DISCO_SPOOL again and again, until the file
DONE is there.  Prints "begun", and at its end how many milliseconds it took at the worst, and in the
middle, until the table said so; fails when the worst is more than MOST, or the middle a third of it."""
import os, statistics, sys, time

SPOOL = os.environ["DISCO_SPOOL"]


def last_beat(name):
    with open(SPOOL + "/table") as table:
        for line in table:
            row = line.split("\t")
            if row[0] == name:
                return row[4]
            if line[0] != "#" and row[0] != "process" and row[0] > name: # they are in order
                break
    return ""


def main():
    most, done = int(sys.argv[1]), sys.argv[2]
    path = SPOOL + "/hb/delay"
    delays = []
    open(path, "w").close()
    while last_beat("delay") == "":
        time.sleep(0.01)
    print("begun", flush=True)
    while not os.path.exists(done):
        begun = time.monotonic()
        os.utime(path)
        ns = os.stat(path).st_ctime_ns
        stamp = time.strftime("%FT%T", time.gmtime(ns // 10**9)) + ".%03dZ" % (ns // 10**6 % 1000)
        while last_beat("delay") < stamp:
            time.sleep(0.005)
            if time.monotonic() - begun > 30:
                sys.exit("a beat is not in the table after 30 s")
        delays.append((time.monotonic() - begun) * 1000)
    middle = statistics.median(delays)
    print("%d times; at the worst %.0f ms, in the middle %.0f" % (len(delays), max(delays), middle))
    return max(delays) > most or middle > most / 3


sys.exit(main())

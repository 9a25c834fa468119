#!/usr/bin/env python3
"""halves.py SPOOL MASTER_LOG: foreign programs write a heartbeat, each in its way, and stop in each place.

For each length of a prefix of NEW and each of WAYS, a process whose row says OLD is given so much by
that way, while a master runs.  Then its row is what the file says, if that is whole lines; else it is
the old one, and the file is counted, and told of as ignored.  At last each is finished, and all rows
are new.  No event may ever have said anything else."""
import os, re, sys, time

SPOOL, LOG = sys.argv[1:]
HB, TMP = SPOOL + "/hb/", SPOOL + "/tmp/"
OLD = {"service": "old", "address": "old:1", "version": "1", "meta": "old=1"}
NEW = b"service=new\naddress=new:2\nversion=2\nmeta.new=2\n"
OLD_TEXT = b"service=old\naddress=old:1\nversion=1\nmeta.old=1\n" # as long as NEW
NONE = {"service": None, "address": "", "version": "", "meta": ""}
PATIENCE = 30
opened = {}


def flags(path, more):
    return os.open(path, os.O_WRONLY | os.O_CREAT | more, 0o644)


def stays_open(name, part):
    fd = flags(HB + name, os.O_TRUNC)
    opened[name] = fd
    os.write(fd, part)
    return part


def closed(name, part):
    fd = flags(HB + name, os.O_TRUNC)
    os.write(fd, part)
    os.close(fd)
    return part


def byte_by_byte(name, part):
    fd = flags(HB + name, os.O_TRUNC)
    opened[name] = fd
    for i in range(len(part)):
        os.write(fd, part[i:i + 1])
    return part


def appended(name, part):
    fd = flags(HB + name, os.O_APPEND)
    os.write(fd, part)
    os.close(fd)
    return OLD_TEXT + part


def over_it(name, part):
    """Not emptied before: the rest of the old one stays behind."""
    fd = flags(HB + name, 0)
    os.write(fd, part)
    os.close(fd)
    return part + OLD_TEXT[len(part):]


def moved(name, part):
    closed("../tmp/" + name, part)
    os.rename(TMP + name, HB + name)
    return part


def from_behind(name, part):
    """The end first: what is before it is NUL."""
    fd = flags(HB + name, os.O_TRUNC)
    os.pwrite(fd, NEW[len(part):], len(part))
    os.close(fd)
    return b"\0" * len(part) + NEW[len(part):] if len(part) < len(NEW) else b""


def larger_first(name, part):
    fd = flags(HB + name, os.O_TRUNC)
    os.ftruncate(fd, len(NEW))
    os.pwrite(fd, part, 0)
    os.close(fd)
    return part + b"\0" * (len(NEW) - len(part))


WAYS = [stays_open, closed, byte_by_byte, appended, over_it, moved, from_behind, larger_first]
STAY = [stays_open, byte_by_byte]


def rows():
    with open(SPOOL + "/table") as table:
        lines = [line.rstrip("\n").split("\t") for line in table]
    return {row[0]: dict(zip(lines[1], row)) for row in lines[2:]}


def said(row):
    return {k: row[k] for k in OLD}


def means(name, text):
    """What the row is by a text of whole lines, or None if it is no heartbeat."""
    if text and not text.endswith(b"\n"):
        return None
    meant = dict(NONE, service=name)
    seen = set()
    for line in text.decode("latin-1").split("\n")[:-1]:
        match = re.fullmatch(r"([A-Za-z][A-Za-z0-9._-]*)=([^\0]*)", line)
        if match is None or match[1] in seen:
            return None
        seen.add(match[1])
        key, value = match.groups()
        if key.startswith("meta."):
            both = [pair for pair in meant["meta"].split(",") if pair] + [key[5:] + "=" + value]
            meant["meta"] = ",".join(sorted(both))
        elif key in meant:
            meant[key] = value
    return meant


def until(true, words):
    end = time.monotonic() + PATIENCE
    while True:
        wrong = true()
        if not wrong:
            return
        if time.monotonic() > end:
            sys.exit("%s: %s" % (words, wrong[:3]))
        time.sleep(0.05)


def wrong_rows(wanted):
    there = rows()
    return ["%s: %s, not %s" % (name, there.get(name) and said(there[name]), want)
        for name, want in wanted.items() if name not in there or said(there[name]) not in want]


def not_counted(count):
    with open(SPOOL + "/table") as table:
        head = table.readline()
    there = re.search(r" refused=(\d+)", head)
    return [] if int(there[1] if there else 0) == count else [head]


def not_told(names):
    with open(LOG, errors="replace") as log:
        return sorted(names - set(re.findall(r"hb/(\S+): .*; ignored", log.read())))


def never_meant(meant):
    """What any event said of a process that none of its files ever did."""
    wrong = []
    for segment in os.listdir(SPOOL + "/events"):
        with open(SPOOL + "/events/" + segment) as log:
            lines = [line.rstrip("\n").split("\t") for line in log]
        for line in lines[2:]:
            event = dict(zip(lines[1], line))
            if event["process"] in meant and said(event) not in meant[event["process"]]:
                wrong.append((event["process"], said(event)))
    return wrong


def main():
    names = {"%s.%d" % (way.__name__, n): (way, NEW[:n]) for way in WAYS for n in range(len(NEW) + 1)}
    new = means("", NEW)
    for name in names:
        closed(name, OLD_TEXT)
    until(lambda: wrong_rows({name: [OLD] for name in names}), "old")
    meant, ever, halves = {}, {}, set()
    for name, (way, part) in names.items():
        text = way(name, part)
        says = means(name, text)
        # Nothing at all is no news while the file is open.
        if way in STAY and text == b"":
            says = OLD
        meant[name] = [says or OLD]
        ever[name] = [OLD, new, says]
        if says is None:
            halves.add(name)
        if way == byte_by_byte:
            # Between two bytes the file may have been whole lines for long enough.
            lines = [means(name, part[:i + 1]) for i in range(len(part)) if part[i] == 10]
            ever[name] += lines
            meant[name] += lines if says is None else []
    until(lambda: wrong_rows(meant), "half")
    until(lambda: not_told(halves), "not told")
    until(lambda: not_counted(len(halves)), "not counted: %d" % len(halves))
    until(lambda: wrong_rows(meant), "half, in the end")
    for name, (way, part) in names.items():
        if way in STAY:
            os.write(opened[name], NEW[len(part):])
            os.close(opened[name])
        else:
            closed(name, NEW)
    until(lambda: wrong_rows({name: [new] for name in names}), "new")
    until(lambda: not_counted(0), "still counted")
    assert not never_meant(ever), never_meant(ever)[:3]
    print("%d, %d of them halves" % (len(names), len(halves)))


main()

#!/usr/bin/env python3
"""fault.py [--brief] [--job NAME]... [-j N]: makes every system call of the programs' main jobs fail.

Each job is run again and again: its 1st, 2nd, ... call of each kind fails with each of ERRORS, reads
or writes half, closes with an error, finds no memory, or is the moment at which the process is
killed.  After each run the promises are looked at: what exits with 0 has done it; a heartbeat file
and a table are old or new and whole; the next master shows all that was accepted, and its seq has
not gone back; tmp/ is clean after a sweep; nothing hangs, nothing dies of a signal, and who fails
says so.

The first broken promise ends it, with the command that shows it again.  --brief tries killing and
one error for each call; all else is the same.
"""
import argparse, collections, concurrent.futures, contextlib, hashlib, http.client, itertools, json, os, re, shutil, signal
import socket, struct, subprocess, sys, tempfile, threading, time

BUILD = os.environ["DISCO_BUILD"]
ERRORS = ["ENOSPC", "EIO", "EINTR", "EMFILE", "EAGAIN", "ENOMEM"]
# Which can't fail, or are no calls of the program.
SPARED = {"execve", "exit_group", "exit", "rt_sigreturn", "arch_prctl", "restart_syscall",
    "rt_sigprocmask", "rt_sigaction", "set_tid_address", "set_robust_list", "alarm", "umask", "uname",
    "getpid", "getppid", "gettid", "getuid", "geteuid", "getgid", "getegid", "time"}
# As they are used here, or by libraries that do not bear it or keep it to themselves; a kill at them
# is tried, and memory has a fault of its own.
SURE = {"wait4", "brk", "futex", "epoll_ctl"}
HALVES = {"read", "pread64", "write", "pwrite64", "sendto", "recvfrom", "readv", "writev"}
NAMES = {"pread64": "pread", "pwrite64": "pwrite", "sendto": "send", "recvfrom": "recv"}
PATIENCE = 20 # seconds; who needs them hangs


class Broken(Exception):
    """A promise that was not kept."""


def promise(kept, words):
    if not kept:
        raise Broken(words)


def program(name):
    for folder in ["bin", "libexec/disco", "tests"]:
        path = os.path.join(BUILD, folder, name)
        if os.path.exists(path):
            return path
    sys.exit("%s: not built" % name)


def until(condition, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.002)
    return True


class Fault:
    """The nth call of a kind, and what becomes of it; NONE lists the calls instead."""

    def __init__(self, call=None, n=0, how=None):
        self.call, self.n, self.how = call, n, how

    def __str__(self):
        return "%s %d: %s" % (self.call, self.n, self.how)

    def command(self, room, argv):
        trace = os.path.join(room, "trace")
        strace = ["strace", "-qq", "-o", trace]
        static = os.path.basename(argv[0]) in STATIC or argv[0] == "-p"
        if self.how in THROUGH_SHIM and static:
            argv = [os.path.join(BUILD, "tests", os.path.basename(argv[0])), *argv[1:]]
        if self.how in THROUGH_SHIM or not static:
            strace += ["-E", "LD_PRELOAD=%s/tests/short.so" % BUILD]
        if self.how in THROUGH_SHIM:
            strace += ["-e", "trace=none", "-E", "SHORT_CALL=" + NAMES.get(self.call, self.call),
                "-E", "SHORT_AT=%d" % self.n, "-E", "SHORT_HIT=" + os.path.join(room, "hit")]
        elif self.how is not None:
            what = "signal=KILL" if self.how == "kill" else "error=" + self.how
            strace += ["-e", "trace=" + self.call,
                "-e", "inject=%s:%s:when=%d" % (self.call, what, self.n)]
        return strace + argv

    def was_hit(self, room, status):
        if self.how == "kill":
            return status == -signal.SIGKILL
        if self.how in THROUGH_SHIM:
            return os.path.exists(os.path.join(room, "hit"))
        with open(os.path.join(room, "trace")) as trace:
            return "(INJECTED)" in trace.read()


STATIC = {"disco-hb"} # has a twin in tests/ that is not
THROUGH_SHIM = {"half", "closed", "none left"}


def calls(room, static, becomes):
    """How many calls of each kind there were, and how many of them were the loader's."""
    all_calls, loader, programs = {}, {}, 0
    with open(os.path.join(room, "trace")) as trace:
        for line in trace:
            programs += line.startswith("execve(")
            if becomes and programs > 1:
                break
            if "/main begins" in line:
                loader = dict(all_calls)
            found = re.match(r"(\w+)\(", line)
            if found and found[1] not in SPARED:
                all_calls[found[1]] = all_calls.get(found[1], 0) + 1
    promise(static or loader, "the trace does not show where the program begins")
    return {call: (loader.get(call, 0), count) for call, count in all_calls.items()}


# What is in a spool.

def put(spool, name, text):
    """Delivers a heartbeat, without the programs that are tried."""
    temp = "%s/tmp/%s.%d" % (spool, name, threading.get_ident())
    with open(temp, "w") as file:
        file.write(text)
    os.rename(temp, "%s/hb/%s" % (spool, name))


def fields(data, varying=("pid", "start", "ip", "host", "boot")):
    lines = data.decode().split("\n")
    promise(lines[-1] == "", "a heartbeat without its last newline")
    pairs = dict(line.split("=", 1) for line in lines[:-1])
    return {key: value for key, value in pairs.items() if key not in varying}


def content(spool, name):
    try:
        with open("%s/hb/%s" % (spool, name), "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def table(spool):
    """The rows of the table by name, and its seq; it must be whole.  None when there is none."""
    try:
        with open(spool + "/table", "rb") as file:
            text = file.read()
    except FileNotFoundError:
        return None
    promise(text.endswith(b"\n"), "half a table: no newline at its end")
    head, names, *lines = text.decode().split("\n")[:-1]
    head = dict(pair.split("=", 1) for pair in head.split()[2:])
    names = names.lstrip("#").split("\t")
    promise(int(head["rows"]) == len(lines), "half a table: %s rows, %d lines" % (head["rows"], len(lines)))
    rows = [dict(zip(names, line.split("\t"))) for line in lines]
    promise(all(len(row) == len(names) for row in rows), "half a row")
    return {row["process"]: row for row in rows}, int(head["seq"])


def stamp(ns):
    """A time as it is in a table; of two the later is the larger."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ns // 10**9)) + ".%03dZ" % (ns // 10**6 % 1000)


def log(spool):
    """The last seq of the event log.  In each segment the events follow one another, without a gap;
    what stands in two is the same in both."""
    events, last = {}, 0
    for name in sorted(os.listdir(spool + "/events")):
        if not name.isdigit():
            continue
        with open("%s/events/%s" % (spool, name), "rb") as file:
            whole = file.read().rpartition(b"\n")[0].decode()
        before = int(name)
        for line in whole.split("\n"):
            columns = line.split("\t")
            if line.startswith("#") or columns[0] == "seq":
                continue
            promise(len(columns) > 20, "a line of the log that is none: %r" % line)
            if columns[2] in ("row", "sync"):
                continue
            seq = int(columns[0])
            promise(seq == before + 1, "%s: event %d after %d" % (name, seq, before))
            promise(events.setdefault(seq, line) == line, "two events of one number: %r" % line)
            before = seq
        last = max(last, before)
    return last


class Master:
    """A master that nothing is done to."""

    def __init__(self, spool, *options, environment=None):
        def starts():
            self.process = subprocess.Popen(
                [program("disco-master"), "-d", spool, "-t", "50ms", *options], stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, env=environment)
            if self.process.stdout.readline().startswith(b"ready"):
                return True
            said = self.process.communicate()[1].decode()
            # strace(1) may end a moment before the one that it traced has.
            promise("a master runs already" in said, "the next master does not start: %s" % said)
            return False

        promise(until(starts), "the lock of a master that was killed is not free")

    def end(self, signo=signal.SIGTERM):
        self.process.send_signal(signo)
        self.process.communicate(timeout=PATIENCE)


def end(process):
    process.kill()
    process.communicate()


def terminate(strace):
    """Ends the one that is traced, though libevent may lose a signal when its pipe fails."""
    def ended():
        if strace.poll() is not None:
            return True
        with open("/proc/%d/task/%d/children" % (strace.pid, strace.pid)) as children:
            for child in children.read().split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(child), signal.SIGTERM)
        time.sleep(0.1)
        return False

    promise(until(ended), "does not end")


class Job:
    """One of the main jobs of a program; each run has a room with a spool of its own."""

    name = program = None
    here = threading.local() # what is of one run
    statuses = {0, 1, 2, 3}
    sure = SURE
    reads = False # alone, so that it leaves nothing when it is killed
    bare = False # no shim is in it
    becomes = False # another program, whose calls are not its own
    steady = True # its calls are the same in each run; a job of which that is not true says why

    def prepare(self, room):
        os.makedirs(room + "/spool/hb")
        os.mkdir(room + "/spool/tmp")
        os.mkdir(room + "/spool/events")

    def argv(self, room):
        return [program(self.program), "-d", room + "/spool", *self.arguments(room)]

    def stdin(self, room):
        return b""

    def run(self, room, command):
        """Its status, its output and what it said."""
        child = subprocess.run(command, input=self.stdin(room), capture_output=True, timeout=PATIENCE,
            start_new_session=True)
        return child.returncode, child.stdout, child.stderr.decode("utf-8", "replace")

    def over(self):
        """After all runs."""

    def check(self, room, status, out, said):
        """What only this job promises."""

    def expect(self, room, out):
        """Looks at a run to which nothing was done."""

    def attempt(self, top, fault, number):
        """One run.  Whether the fault was met."""
        room = "%s/%s.%d" % (top, self.name, number)
        self.prepare(room)
        begun = time.time()
        try:
            status, out, said = self.run(room, fault.command(room, self.argv(room)))
            if status < 0 and not (fault.how == "kill" and status == -signal.SIGKILL):
                raise Broken("died of signal %d: %s" % (-status, said))
            promise(status < 0 or status in self.statuses, "exits with %d: %s" % (status, said))
            promise(status <= 1 or said != "", "exits with %d and says nothing" % status)
            self.here.begun = begun
            self.check(room, status, out, said)
            if fault.how is None:
                promise(status == 0, "fails by itself: %s" % said)
                self.expect(room, out)
                self.calls = calls(room, self.bare or self.program in STATIC, self.becomes)
                if not self.bare:
                    self.calls["malloc"] = (0, 1)
            return fault.how is None or fault.was_hit(room, status)
        except subprocess.TimeoutExpired:
            raise Broken("hangs")
        finally:
            self.keep(room)
            shutil.rmtree(room, ignore_errors=True)

    others = {}

    def beside(self, room):
        """Processes that run beside it, and are killed when it is over."""
        return self.others.setdefault(room, [])

    def keep(self, room):
        """What is left behind in tmp/, for the sweep at the end."""
        for process in self.others.pop(room, []):
            end(process)
        for name in os.listdir(room + "/spool/tmp") if os.path.isdir(room + "/spool/tmp") else []:
            os.rename("%s/spool/tmp/%s" % (room, name), "%s.left/tmp/%d.%s" % (
                os.path.dirname(room) + "/" + self.name, next(COUNT), name))


COUNT = itertools.count()


class Beat(Job):
    """disco-hb: one beat, in each way that there is."""

    program = "disco-hb"
    old = None
    words = ["-s", "new", "-a", "h:1", "x"]
    status = 0

    def arguments(self, room):
        return self.words

    def prepare(self, room):
        super().prepare(room)
        self.here.old = self.old and self.old.encode()
        if self.old is not None:
            put(room + "/spool", "x", self.old)

    def expect(self, room, out):
        self.new = fields(content(room + "/spool", "x"))

    def check(self, room, status, out, said):
        data = content(room + "/spool", "x")
        old = self.here.old
        new = data is not None and hasattr(self, "new") and fields(data) == self.new
        promise(data == old or new or not hasattr(self, "new"), "neither the old heartbeat nor the new: %r" % data)
        if status == 0 and hasattr(self, "new"):
            promise(new, "exit status 0, and not delivered: %r" % data)
            changed = os.stat(room + "/spool/hb/x").st_ctime
            promise(changed > self.here.begun - 0.02, "exit status 0, and no beat")


class First(Beat):
    name = "disco-hb: first"


class Changed(Beat):
    name = "disco-hb: changed"
    old = "service=old\naddress=o:1\n"


class Leave(Beat):
    name = "disco-hb: leave"
    old = "service=new\naddress=h:1\n"
    words = ["--leave", "x"]


class Again(Beat):
    """Nothing new: a touch."""
    name = "disco-hb: again"

    def prepare(self, room):
        super().prepare(room)
        subprocess.run(self.argv(room), check=True)


class Report(Beat):
    """A report to the process that holds the file: what it says of itself stays."""
    name = "disco-hb: report"
    words = ["--state", "warning", "x"]

    def prepare(self, room):
        super().prepare(room)
        holder = subprocess.Popen([program("disco-hb"), "-d", room + "/spool", "-i", "1h",
            "-s", "old", "-a", "o:1", "x"])
        self.beside(room).append(holder)
        promise(until(lambda: content(room + "/spool", "x")), "no holder")
        self.here.old = content(room + "/spool", "x")


class Wrapper(Beat):
    """disco-hb with a command, whose status is what it exits with, whatever fails."""
    name = "disco-hb: command"
    words = ["-i", "20ms", "-s", "new", "x", "--", "sh", "-c", "read line; exit 0"]
    steady = False # it beats for as long as the command takes
    statuses = {0, 2, 3, 126, 127}

    def run(self, room, command):
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, start_new_session=True)
        # Some beats long.
        until(lambda: child.poll() is not None, 0.05)
        out, said = child.communicate(b"\n", timeout=PATIENCE)
        return child.returncode, out, said.decode()

    def check(self, room, status, out, said):
        data = content(room + "/spool", "x")
        if status == 0 and said == "":
            promise(data is not None and fields(data).get("state") == "inactive", "left without a word: %r" % data)
        if data is not None:
            promise(fields(data).get("service") == "new", "a mixture: %r" % data)


class Reader(Job):
    """disco-ls and disco-watch, with and without a master; what they print with 0 is all there is."""

    with_master = False
    reads = True

    def prepare(self, room):
        super().prepare(room)
        for i in range(5):
            put(room + "/spool", "p%d" % i, "service=s%d\naddress=h:%d\nerrorAfter=1h\n" % (i % 2, i))
        self.beside(room).append(Master(room + "/spool").process)
        until(lambda: len((table(room + "/spool") or ({}, 0))[0]) == 5)
        if not self.with_master:
            end(self.beside(room).pop())
            put(room + "/spool", "late", "service=late\n")

    def expect(self, room, out):
        self.whole = out

    def check(self, room, status, out, said):
        if status == 0 and hasattr(self, "whole"):
            promise(out == self.whole, "exit status 0, and not all: %r" % out)


class List(Reader):
    name, program = "disco-ls", "disco-ls"
    with_master = True
    statuses = {0, 2, 3}

    def arguments(self, room):
        return ["-H", "-t", "-o", "process,service,state,address"]


class ListAlone(List):
    name = "disco-ls: no master"
    with_master = False


class Watch(Reader):
    name, program = "disco-watch", "disco-watch"
    with_master = True

    def arguments(self, room):
        return ["--wait", "p3"]


class Since(Watch):
    """What happened before it came: 0 means that all was told, in order; after a reset it is told anew."""
    name = "disco-watch: since"

    def arguments(self, room):
        begun = min(os.listdir(room + "/spool/events")) if room != "ROOM" else "SEQ"
        return ["-j", "--since", begun, "-n", "5"]

    def check(self, room, status, out, said):
        if status == 0:
            events = [json.loads(line) for line in out.decode().splitlines()]
            first = int(min(os.listdir(room + "/spool/events"))) + 1
            if [event["event"] for event in events[:2]] == ["reset", "sync"]:
                events = events[2:]
            promise([event["seq"] for event in events] == [*range(first, first + len(events))], "exit status 0, and not all: %r" % out)
            promise(out.count(b"\n") == 5, "exit status 0, and not so many lines: %r" % out)

    def expect(self, room, out):
        promise(b'"reset"' not in out, "a reset without a fault")


class Compact(Job):
    """disco-master, from where one was killed: it starts, takes what comes, and is ended."""

    name = program = "disco-master"
    steady = False # it ticks, and may see two changes by one read or by two
    statuses = {0, 2, 3}
    template = None

    def arguments(self, room):
        return ["-t", "50ms", "--segment-size", "1K", "--state", room + "/state"]

    def prepare(self, room):
        with Compact.lock:
            if Compact.template is None:
                Compact.template = os.path.dirname(room) + "/before"
                self.make(Compact.template)
        shutil.copytree(Compact.template, room)

    lock = threading.Lock()

    def make(self, room):
        """A spool whose master was killed, with heartbeats that it did not see."""
        super().prepare(room)
        os.mkdir(room + "/state")
        master = Master(room + "/spool", "--segment-size", "1K")
        for i in range(4):
            put(room + "/spool", "old%d" % i, "service=s\naddress=h:%d\n" % i)
        promise(until(lambda: len(table(room + "/spool")[0]) == 4), "no rows")
        master.end(signal.SIGKILL)
        put(room + "/spool", "unseen", "service=unseen\n")

    def accept(self, spool):
        """Heartbeats of each kind; from here on they are accepted."""
        put(spool, "new", "service=new\n")
        put(spool, "old0", "service=other\naddress=h:9\n")
        os.utime(spool + "/hb/old1")
        self.here.touched = stamp(os.stat(spool + "/hb/old1").st_ctime_ns)
        put(spool, "old2", "service=s\nstate=inactive\n")
        os.unlink(spool + "/hb/old3")

    @staticmethod
    def short(rows):
        return {name: "%s %s %s %s" % (row["service"], row["state"], row["lastHb"], row["reason"]) for name, row in rows.items()}

    def shows(self, rows):
        have = {name: (row["service"], row["state"]) for name, row in rows.items()}
        return have.get("new") == ("new", "active") and have.get("old0") == ("other", "active") and \
            have.get("old1") == ("s", "active") and rows["old1"]["lastHb"] >= self.here.touched and \
            have.get("old2") == ("s", "inactive") and \
            have.get("old3", ("", "inactive"))[1] == "inactive" and have.get("unseen") == ("unseen", "active")

    def run(self, room, command):
        spool = room + "/spool"
        out, said = open(room + "/out", "wb+"), open(room + "/said", "wb+")
        child = subprocess.Popen(command, stdout=out, stderr=said, stdin=subprocess.DEVNULL, start_new_session=True)
        seq = table(spool)[1]

        def ended():
            return child.poll() is not None

        def look(shows):
            nonlocal seq
            rows, now = table(spool)
            promise(now >= seq, "the seq goes back: %d after %d" % (now, seq))
            seq = now
            return shows(rows)

        def is_ready():
            look(lambda rows: True)
            # It says so, or why it can't.
            return ended() or os.stat(room + "/out").st_size > 0 or b"stdout: " in os.pread(said.fileno(), 4096, 0)

        promise(until(is_ready), "is not ready and does not end")
        self.accept(spool)
        promise(until(lambda: ended() or look(self.shows)), "runs and does not show what was accepted: %s" % self.short(table(spool)[0]))
        log(spool)
        terminate(child)
        self.here.seq = max(seq, log(spool))
        said.seek(0)
        return child.returncode, b"", said.read().decode()

    def check(self, room, status, out, said):
        spool = room + "/spool"
        log(spool)
        master = Master(spool, "--segment-size", "1K")
        try:
            promise(until(lambda: self.shows(table(spool)[0])), "the next master does not show what was accepted: %s" % self.short(table(spool)[0]))
            promise(table(spool)[1] >= self.here.seq, "the seq goes back: %d after %d" % (table(spool)[1], self.here.seq))
            promise(not os.path.exists(spool + "/events/.next") or until(lambda: not os.path.exists(spool + "/events/.next")), "a segment is left half made")
        finally:
            master.end()
        promise(log(spool) >= self.here.seq, "the log goes back")
        promise(not os.path.exists(spool + "/.table.next"), "a table is left half made")


class Copy(Compact):
    """Who writes the master's --state: what is there is whole, and the next copy has it all."""

    name = "disco-master: copy"
    bare = True # of one that is forked, a shim would count the calls of the master too
    statuses = {0}

    def argv(self, room):
        return ["-p", str(self.here.copier) if room != "ROOM" else "PID"]

    def prepare(self, room):
        super().prepare(room)
        self.here.master = Master(room + "/spool", *self.arguments(room))
        pid = self.here.master.process.pid
        self.beside(room).append(self.here.master.process)
        put(room + "/spool", "before", "service=before\n")
        promise(until(lambda: "before" in self.copied(room)), "no copy")
        with open("/proc/%d/task/%d/children" % (pid, pid)) as children:
            self.here.copier = int(children.read())

    def copied(self, room):
        """The rows of the copy, which is whole, at any time."""
        state, spool = room + "/state", room + "/spool"
        for name in os.listdir(state + "/events"):
            with open("%s/events/%s" % (state, name), "rb") as copy:
                text = copy.read()
            with contextlib.suppress(FileNotFoundError), open("%s/events/%s" % (spool, name), "rb") as segment:
                promise(segment.read(len(text)) == text, "%s: another one in the copy" % name)
        return (table(state) or ({}, 0))[0]

    def run(self, room, command):
        strace = subprocess.Popen(command, stderr=subprocess.PIPE)
        hit = False

        def is_hit():
            with open(room + "/trace") as trace:
                return strace.poll() is not None or "(INJECTED)" in trace.read()

        def is_traced():
            with open("/proc/%d/status" % self.here.copier) as status:
                return strace.poll() is not None or "TracerPid:\t0\n" not in status.read()

        promise(until(is_traced), "is not traced")
        for name in ["first", "second"]:
            put(room + "/spool", name, "service=%s\n" % name)
            promise(until(lambda: name in self.copied(room) or is_hit()), "no copy")
            if is_hit():
                break
        killed = strace.poll() is not None
        if killed:
            self.reboot(room)
        strace.terminate()
        strace.communicate(timeout=PATIENCE)
        put(room + "/spool", "next", "service=next\n")
        if killed:
            # It is begun again by who does not reach it.
            promise(until(lambda: "next" in table(room + "/spool")[0]), "no row")
            put(room + "/spool", "after", "service=after\n")
        promise(until(lambda: "next" in self.copied(room)), "the next copy is not up to date")
        master = self.here.master.process
        master.terminate()
        said = master.communicate(timeout=PATIENCE)[1].decode()
        promise(master.returncode == 0, "the master exits with %d: %s" % (master.returncode, said))
        return -signal.SIGKILL if killed else 0, b"", said

    def reboot(self, room):
        """What a master makes of the copy, its spool being lost."""
        lost = room + "/lost"
        shutil.copytree(room + "/state", lost + "/state")
        Job.prepare(self, lost)
        master = Master(lost + "/spool", "--state", lost + "/state")
        master.end()
        rows = table(lost + "/spool")[0]
        promise("before" in rows and "old0" in rows, "the copy does not show what was in it: %s" % self.short(rows))

    def check(self, room, status, out, said):
        self.copied(room)
        for name in os.listdir(room + "/spool/events") + ["../table"]:
            with open("%s/spool/events/%s" % (room, name), "rb") as ours, open("%s/state/events/%s" % (room, name), "rb") as copy:
                promise(ours.read() == copy.read(), "%s: not copied at the end" % name)
        promise(not os.path.exists(room + "/state/.table.next"), "a table is left half made")


class Token(Job):
    """disco-token: the file is the old one or the new one, and the secret that was shown is in it."""

    name = program = "disco-token"
    old = "root %s admin\n" % ("0" * 64)

    def argv(self, room):
        return [program(self.program), "-f", room + "/tokens", "web", "read:*"]

    def prepare(self, room):
        super().prepare(room)
        with open(room + "/tokens", "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(self.old)

    def check(self, room, status, out, said):
        with open(room + "/tokens") as file:
            text = file.read()
        digest = hashlib.sha256(out.strip()).hexdigest()
        new = self.old + "web %s read:*\n" % digest
        promise(text == new or status != 0 and (text == self.old or text.startswith(self.old + "web ") and text.endswith(" read:*\n")),
            "not the old tokens and not the new: %r" % text)
        promise(os.stat(room + "/tokens").st_mode & 0o777 == 0o600, "others may read it")
        # Only who is killed leaves the new one beside it, half or whole; nobody reads it.
        left = [name for name in os.listdir(room) if name.startswith("tokens.")]
        promise(len(left) <= (status < 0), "left beside the file: %s" % left)
        for name in left:
            promise(os.stat(room + "/" + name).st_mode & 0o777 == 0o600, "others may read " + name)


class Serve(Job):
    """disco-serve: it starts, takes heartbeats, answers, and is ended."""

    name = program = "disco-serve"
    steady = False # as the master's
    statuses = {0, 1, 2, 3} # 1 is libevent's, when the pipe that tells it of signals fails

    def arguments(self, room):
        return ["--listen", "unix:%s/socket" % room]

    def prepare(self, room):
        super().prepare(room)
        put(room + "/spool", "there", "service=there\n")
        self.beside(room).append(Master(room + "/spool").process)

    @staticmethod
    def ask(room, method, path, body=None):
        """The status and the body; None when there was no whole answer."""
        connection = http.client.HTTPConnection("localhost", timeout=PATIENCE)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(PATIENCE)
        try:
            connection.sock.connect(room + "/socket")
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except socket.timeout:
            raise Broken("no answer to %s %s" % (method, path))
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def run(self, room, command):
        spool = room + "/spool"
        out, said = open(room + "/out", "wb+"), open(room + "/said", "wb+")
        child = subprocess.Popen(command, stdout=out, stderr=said, stdin=subprocess.DEVNULL, start_new_session=True)

        def ended():
            return child.poll() is not None

        def listed():
            answer = self.ask(room, "GET", "/v1/table")
            if answer is None or answer[0] != 200:
                return False
            rows = {row["process"]: row for row in json.loads(answer[1])}
            return rows.get("there", {}).get("service") == "there" and rows.get("sent", {}).get("service") == "sent"

        promise(until(lambda: ended() or os.stat(room + "/out").st_size > 0), "is not ready and does not end")
        # Tried until it is taken, as its clients do.
        promise(until(lambda: ended() or self.send(room)), "runs and takes no heartbeat")
        promise(until(lambda: ended() or listed()), "runs and does not show what it took")
        for path in ["/metrics", "/healthz", "/"]:
            answer = self.ask(room, "GET", path)
            promise(ended() or answer is None or answer[0] in (200, 500, 503), "%s: %s" % (path, answer))
        terminate(child)
        said.seek(0)
        return child.returncode, b"", said.read().decode()

    def send(self, room):
        answer = self.ask(room, "POST", "/v1/heartbeat", "process=sent&service=sent")
        if answer is None or answer[0] != 204:
            return False
        data = content(room + "/spool", "sent")
        promise(data is not None and fields(data).get("service") == "sent", "204, and not delivered: %r" % data)
        return True

    def check(self, room, status, out, said):
        data = content(room + "/spool", "sent")
        promise(data is None or fields(data).get("service") == "sent", "a mixture: %r" % data)


class Served(Job):
    """Of those who talk to a server, which is the same in all runs of a job."""

    steady = False # libcurl asks as often as it likes whether the answer has come
    where = url = None
    servers = []
    lock = threading.Lock()

    def prepare(self, room):
        super().prepare(room)
        with self.lock:
            if self.where is None:
                where = os.path.dirname(room) + "/server of " + self.name
                super().prepare(where)
                self.servers = [Master(where + "/spool").process, subprocess.Popen([program("disco-serve"),
                    "-d", where + "/spool", "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE)]
                self.url = self.servers[1].stdout.readline().split()[1].decode()
                self.where = where

    @staticmethod
    def process(room):
        return re.sub("[^A-Za-z0-9.]", "", os.path.basename(room))

    def received(self, room, more=""):
        """What the server has delivered for the process of a room."""
        data = content(self.where + "/spool", self.process(room) + more)
        promise(data is None or fields(data)["service"] == "posted", "a mixture: %r" % data)
        return data and fields(data)

    def over(self):
        for server in self.servers:
            server.terminate()
            server.wait(PATIENCE)


class Post(Served):
    """disco-http, which carries what the others say to a server."""

    name = "disco-http: post"
    program = "disco-http"

    def argv(self, room):
        return [program(self.program), "--timeout", "5s", *self.arguments(self.url or "URL")]

    def arguments(self, url):
        return ["post", url, "/v1/heartbeat"]

    def line(self, room, more="", state="active"):
        return b'{"process":"%s%s","service":"posted","state":"%s"}\n' % (
            self.process(room).encode(), more.encode(), state.encode())

    def stdin(self, room):
        return self.line(room)

    def check(self, room, status, out, said, more=""):
        promise(self.received(room, more) is not None or status != 0, "exit status 0, and not delivered")


class Stream(Post):
    """Lines of several processes: 0 at the end of the input means that all were delivered."""

    name = "disco-http: stream"

    def arguments(self, url):
        return ["stream", url]

    def stdin(self, room):
        return b"".join(self.line(room, str(i)) for i in range(3))

    def check(self, room, status, out, said):
        for i in range(3):
            super().check(room, status, out, said, more=str(i))


class Hold(Post):
    """A connection for a process, and beside it that it leaves: 0 means that this was delivered too."""

    name = "disco-http: hold"

    def arguments(self, url):
        return ["hold", url]

    def run(self, room, command):
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, start_new_session=True)
        with contextlib.suppress(BrokenPipeError):
            child.stdin.write(self.line(room))
            child.stdin.flush()
            # One that was not received is not said again before there is a next one.
            until(lambda: child.poll() is not None or self.received(room), 1)
            child.stdin.write(self.line(room, state="inactive"))
            child.stdin.flush()
        out, said = child.communicate(timeout=PATIENCE)
        return child.returncode, out, said.decode("utf-8", "replace")

    def check(self, room, status, out, said):
        received = self.received(room)
        promise(status != 0 or received and received["state"] == "inactive",
            "exit status 0, and not delivered: %s" % received)


class Far(Served):
    """disco-hb, to a server: a beat, up to where it becomes disco-http."""

    name = "disco-hb: to a server"
    program = "disco-hb"
    bare = True # a shim would be in disco-http too
    becomes = True
    steady = True # up to there

    def argv(self, room):
        return [program(self.program), "-u", self.url or "URL", "-s", "posted", *self.words(room)]

    def words(self, room):
        return [self.process(room)]

    def check(self, room, status, out, said):
        promise(status != 0 or self.received(room) is not None, "exit status 0, and not delivered")


class FarWrapper(Far, Wrapper):
    """With a command, and disco-http beside it, which holds the connection."""

    name = "disco-hb: command, to a server"
    becomes = steady = False
    statuses = Wrapper.statuses

    def words(self, room):
        return ["-i", "20ms", self.process(room), "--", "sh", "-c", "read line; exit 0"]

    def check(self, room, status, out, said):
        received = self.received(room)
        promise(status != 0 or said != "" or received and received.get("state") == "inactive",
            "left without a word: %s" % received)

    def expect(self, room, out):
        received = self.received(room)
        promise(received and received.get("state") == "inactive", "does not beat: %s" % received)


class Rows(Job):
    """disco-jq over rows: who exits with 0 has given a result for each."""

    name = "disco-jq: rows"
    program = "disco-jq"
    statuses = {0, 2, 3}
    sure = SURE | {"getrandom"} # without it the C library's arc4random(3), which libjq uses, aborts
    rows = [{"process": "p%d" % i, "state": "active"} for i in range(3)]

    def argv(self, room):
        return [program(self.program), ".process"]

    def stdin(self, room):
        return b"".join(json.dumps(row).encode() + b"\n" for row in self.rows)

    def check(self, room, status, out, said):
        if status == 0:
            promise(out == b"p0\np1\np2\n", "exit status 0, and not all: %r" % out)


class Worker(Rows):
    """disco-jq as a process that runs procedures: an answer is whole and right, or there is none."""

    name = "disco-jq: worker"

    def argv(self, room):
        return [program(self.program), "--worker", "512"]

    def run(self, room, command):
        ours, its = socket.socketpair()
        child = subprocess.Popen(command, stdin=its, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            start_new_session=True)
        its.close()
        frames = [(b"p", b"map(.process)"), (b"a", b"{}"), (b"r", self.stdin(room)), (b"g", b"json")]
        with ours, contextlib.suppress(ConnectionError):
            ours.settimeout(PATIENCE)
            self.here.answers = b""
            # The second call finds the program compiled.
            for _ in range(2):
                ours.sendall(b"".join(struct.pack("=4sI", kind.ljust(4, b"\0"), len(text)) + text
                    for kind, text in frames))
            ours.shutdown(socket.SHUT_WR)
            while more := ours.recv(65536):
                self.here.answers += more
        said = child.communicate(timeout=PATIENCE)[1].decode("utf-8", "replace")
        # Answers that break off say enough to who asked.
        return child.returncode, b"", said or "it broke off"

    def check(self, room, status, out, said):
        rest = self.here.answers
        while len(rest) >= 8:
            kind, size = rest[:1], struct.unpack("=I", rest[4:8])[0]
            text, rest = rest[8:8 + size], rest[8 + size:]
            promise(kind != b"o" or len(text) < size or text == b'["p0","p1","p2"]\n', "a wrong answer: %r" % text)
            promise(kind in b"losfb", "no answer: %r" % kind)

    def expect(self, room, out):
        promise(self.here.answers.count(b"[") == 2, "not both answers: %r" % self.here.answers)


JOBS = [First, Again, Changed, Leave, Report, Wrapper, Far, FarWrapper, List, ListAlone, Watch, Since, Compact, Copy,
    Token, Rows, Worker, Serve, Post, Stream, Hold]


def clean_after_sweep(job, top):
    """An hour later a master leaves nothing of what the runs of a job left in tmp/."""
    spool = "%s/%s.left" % (top, job.name)
    left = len(os.listdir(spool + "/tmp"))
    environment = dict(os.environ, LD_PRELOAD=BUILD + "/tests/clock.so", DISCO_CLOCK_REAL="3700")
    master = Master(spool, environment=environment)
    clean = until(lambda: not os.listdir(spool + "/tmp"))
    master.end()
    promise(clean, "tmp/ is not clean after a sweep: %s" % os.listdir(spool + "/tmp"))
    return left


def ways(call, job, brief):
    if call == "malloc":
        yield "none left"
        return
    if not job.reads:
        yield "kill"
    if call == "close" and not job.bare:
        yield "closed" # and an error: a descriptor is gone whatever close(2) says
    if call == "close" or call in job.sure:
        return
    # A file that says EAGAIN when it is opened has a lease on it, by its owner's own doing.
    yield from ["EIO"] if brief else [error for error in ERRORS if (call, error) != ("openat", "EAGAIN")]
    if call in HALVES and not job.bare:
        yield "half"


def try_call(job, top, call, first, last, numbers, brief):
    """All points of one kind of call: what was planned, met, and planned and not met."""
    sums = collections.Counter()
    for n in itertools.count(first + 1):
        hit = 0
        for how in ways(call, job, brief):
            # Of halves the shim counts its own: those of the loader are not among them, nor those
            # within the C library, nor single bytes.  So none of its points can be planned.
            shim = how in THROUGH_SHIM
            fault = Fault(call, n - first if shim else n, how)
            planned = n <= last and not shim
            try:
                met = job.attempt(top, fault, next(numbers))
                promise(met or not planned or not job.steady, "planned and not met")
            except Broken as broken:
                raise Broken("%s, %s: %s\n  %s" % (
                    job.name, fault, broken, " ".join(fault.command("ROOM", job.argv("ROOM")))))
            hit += met
            sums.update(planned=planned, met=met, missed=planned and not met)
        # A daemon's calls are not the same in each run.
        if n >= last and (job.becomes or hit == 0) or n > last + 50 and call != "malloc":
            return sums


def words(sums):
    return "%(met)d faults (of %(planned)d planned, %(missed)d not met)" % sums


def try_calls(job, top, workers, brief):
    numbers = itertools.count()
    job.attempt(top, Fault(), next(numbers))
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        tries = [pool.submit(try_call, job, top, call, first, last, numbers, brief)
            for call, (first, last) in sorted(job.calls.items()) if last > first]
        done = concurrent.futures.wait(tries, return_when=concurrent.futures.FIRST_EXCEPTION).done
        for attempt in tries:
            if attempt in done and attempt.exception():
                for other in tries:
                    other.cancel()
                raise attempt.exception()
        sums = sum((attempt.result() for attempt in tries), collections.Counter())
    return len(tries), sums


def try_job(job, top, workers, brief):
    spool = "%s/%s.left" % (top, job.name)
    for folder in ["", "/hb", "/tmp", "/events"]:
        os.mkdir(spool + folder)
    begun = time.monotonic()
    try:
        tries, sums = try_calls(job, top, workers, brief)
    finally:
        job.over()
    left = clean_after_sweep(job, top)
    print("%s: %s at %d calls of %d kinds, %d files left in tmp/ and swept, %.0f s" % (
        job.name, words(sums), sum(last - first for first, last in job.calls.values()), tries, left,
        time.monotonic() - begun), flush=True)
    return sums


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--brief", action="store_true")
    parser.add_argument("--job", action="append", default=[])
    parser.add_argument("-j", type=int, default=2)
    options = parser.parse_args()
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    programs = {}
    with tempfile.TemporaryDirectory(prefix="disco-fault.", dir=base) as top:
        for job in JOBS:
            if options.job and not any(word in job.name for word in options.job):
                continue
            try:
                programs.setdefault(job.program, collections.Counter()).update(
                    try_job(job(), top, options.j, options.brief))
            except Broken as broken:
                print("broken: %s" % broken)
                return 1
    for name, sums in programs.items():
        print("%s in all: %s" % (name, words(sums)))
    print("%s, every promise kept" % words(sum(programs.values(), collections.Counter())))
    return 0


sys.exit(main())

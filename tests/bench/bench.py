#!/usr/bin/env python3
"""bench.py [--only WORD]... [--brief]: how fast disco is, beside what would be used instead.

Runs all sections in one go, prints a table of ratios, writes it to bench.md in the build folder and
draws each scaling curve there.  Exits 1 when a target is missed, and names it.  --only runs the
sections with these names, --brief makes few and small runs, to see that it works."""
import argparse
import importlib
import os
import pathlib
import platform
import signal
import sys
import time

sys.dont_write_bytecode = True

import draw
from measure import Bench

SECTIONS = ("hb", "master", "list", "watch", "scale", "web", "sockets", "page")
MOST_SECONDS = 15 * 60
STOPPED_BY = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM)


def stop(signo, _):
    """Leaves by an exception, so that what was begun is cleaned up, in peace."""
    for other in STOPPED_BY:
        signal.signal(other, signal.SIG_IGN)
    sys.exit("bench: took too long" if signo == signal.SIGALRM else f"bench: stopped by signal {signo}")


def machine():
    with open("/proc/cpuinfo") as f:
        models = [line.split(": ", 1)[1].strip() for line in f if line.startswith("model name")]
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return (f"{os.cpu_count()} × {models[0] if models else platform.machine()}, {memory:.0f} GiB, "
            f"Linux {platform.release()}")


def markdown(bench, took):
    """The table as bench.md has it."""
    lines = ["# disco, measured", "", f"`make bench` on {machine()}, in {took:.0f} s.", "",
             "Each figure is ours : theirs, the median of interleaved runs and their spread; those with a",
             "unit are absolute.  What stands below the table is shown and not judged.", "",
             "| what | against | target | median | spread | met |", "|---|---|---|---|---|---|"]
    cell = lambda text: text.replace("|", "\\|")
    for row in bench.rows:
        lines.append("| " + " | ".join(cell(row[key]) for key in
                                       ("what", "against", "target", "median", "spread", "met")) + " |")
    lines.append("")
    for row in bench.rows:
        if row["note"]:
            lines.append(f"- {row['what']} : {row['against']}: {row['note']}")
    lines.append("")
    for name, title, *_ in bench.curves:
        lines.append(f"![{title}]({name}.svg)")
    return "\n".join(lines) + "\n"


def report(bench, took):
    """Tells what was seen, also when the bench was stopped before its end."""
    text = markdown(bench, took)
    pathlib.Path(bench.build, "bench.md").write_text(text)
    for name, title, points, floor_points in bench.curves:
        pathlib.Path(bench.build, f"{name}.svg").write_text(draw.curve(title, points, floor_points))
    print(f"\n{text}")
    for missed in bench.missed:
        print(f"missed: {missed}", file=sys.stderr)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", action="append", choices=SECTIONS, metavar="WORD")
    parser.add_argument("--brief", action="store_true")
    options = parser.parse_args()
    build = os.path.abspath(os.environ.get("DISCO_BUILD", "build"))
    for signo in STOPPED_BY:
        signal.signal(signo, stop)
    signal.alarm(MOST_SECONDS)
    began = time.monotonic()
    with Bench(build, options.brief) as bench:
        try:
            for name in options.only or SECTIONS:
                if not os.path.exists(f"{os.path.dirname(os.path.abspath(__file__))}/{name}.py"):
                    continue
                print(f"-- {name}, {time.monotonic() - began:.0f} s", flush=True)
                importlib.import_module(name).run(bench)
        finally:
            report(bench, time.monotonic() - began)
        return 1 if bench.missed else 0


if __name__ == "__main__":
    sys.exit(main())

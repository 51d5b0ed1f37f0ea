"""Prints the coverage of amqp-proto by folder, and fails below the floor: coverage.py [--files | --lines] REPORT.

REPORT is what `cargo llvm-cov report --json` writes.
"""

import collections
import contextlib
import io
import json
import sys

FLOOR = 95.0  # per cent of the lines of the core
LEFT_OUT = "testing"
MARK = "/amqp-proto/src/"


def files(report):
    """Returns the name, the number of lines, and the number of reached lines of each file of the core."""
    for file in report["data"][0]["files"]:
        _, mark, name = file["filename"].partition(MARK)
        if mark and not name.startswith(LEFT_OUT + "/"):
            lines = file["summary"]["lines"]
            yield name, lines["count"], lines["covered"], file


def missed(file):
    """Returns the lines at which code begins that no test reaches."""
    return sorted({line for line, _, count, has_count, is_entry, *_ in file["segments"] if has_count and is_entry and not count})


def room(name):
    return name.partition("/")[0] if "/" in name else name.removesuffix(".rs")


def table(report, way):
    rows = collections.defaultdict(lambda: [0, 0])
    for name, count, covered, file in files(report):
        label = room(name) if way is None else name
        rows[label][0] += count
        rows[label][1] += covered
        if way == "--lines" and count > covered:
            print(f"{name}: {' '.join(map(str, missed(file)))}")
    total = [sum(row[0] for row in rows.values()), sum(row[1] for row in rows.values())]
    if way != "--lines":
        print(f"{'':32} {'lines':>7} {'reached':>8} {'%':>6}")
        for label, (count, covered) in [*sorted(rows.items()), ("all", total)]:
            print(f"{label:32} {count:7} {covered:8} {100 * covered / max(count, 1):6.1f}")
    return 100 * total[1] / max(total[0], 1)


def judge(report, way=None):
    reached = table(report, way)
    if reached < FLOOR:
        print(f"coverage: {reached:.2f} % of the lines are reached, and {FLOOR} % have to be")
        return False
    return True


def self_test():
    def report(covered, path="/x/amqp-proto/src/wire/frame.rs"):
        lines = {"count": 100, "covered": covered}
        return {"data": [{"files": [{"filename": path, "summary": {"lines": lines}, "segments": []}]}]}

    with contextlib.redirect_stdout(io.StringIO()):
        check(report)
    print("coverage: the check takes what is reached, and refuses what is not")


def check(report):
    assert judge(report(96)) and not judge(report(94))
    assert not judge(report(100, "/x/amqp-proto/src/testing/pair.rs")), "the test kit counts"
    assert not judge(report(100, "/x/amqp-tokio/src/lib.rs")), "an adapter counts"


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if arguments == ["--self-test"]:
        self_test()
        sys.exit()
    way = arguments[0] if arguments[0].startswith("--") else None
    sys.exit(not judge(json.load(open(arguments[-1])), way))

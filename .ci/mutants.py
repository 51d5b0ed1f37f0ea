"""Mutation testing of amqp-proto: mutants.py TREE EQUIVALENT [--whole | --file FILE] [--results FILE].

TREE is a copy of the repository that is changed. All mutants are built once (see mutants_build.py), each test is run once to see
which mutants it reaches, and then each mutant meets the tests that reach it until one fails.

EQUIVALENT lists the mutants that no test can see: one a line, a tab, and the reason.
"""

import argparse
import collections
import contextlib
import hashlib
import itertools
import os
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

import mutants_build as build

FLOOR = 90.0  # per cent of the viable mutants
SLOW = 0.4  # seconds of a processor: slower tests are left out
LONG = 30.0  # seconds by the clock, of waiting too: longer tests are left out
MOST_KILLERS = 12
PATIENCE = 4.0  # seconds of a processor: the tests that a mutant meets take no more
# The samples, each of so many mutants in these folders of amqp-proto/src.
SAMPLES = [(300, ("codec", "machine")), (100, ("driver",))]
# Both adapters run the shared tests, which are those of the driver.
PACKAGES = ["-p", "amqp-proto", "-p", "amqp-blocking", "-p", "amqp-tokio"]
PROGRAMS = ["--lib", "--test", "core", "--test", "shared", "--test", "streams"]
COMMAND = ["cargo", "test", *PACKAGES, "--features", "amqp-proto/driver", *PROGRAMS, "--no-run"]


def environment(**more):
    return {
        **os.environ,
        "CARGO_INCREMENTAL": "1",
        "CARGO_PROFILE_DEV_DEBUG": "0",
        "CARGO_PROFILE_TEST_DEBUG": "0",
        "RUST_BACKTRACE": "0",
        **more,
    }


def bounded(seconds):
    def limit():
        resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) + 1, int(seconds) + 1))
        resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    return limit


def run(program, tests, seconds, longest, **variables):
    """Runs tests of a program, for so many seconds of a processor and of a clock at most.

    Returns how they ended, and the seconds of both that they took.
    """
    child = subprocess.Popen(
        [program.path, "--exact", "--test-threads=1", *tests],
        cwd=program.folder,
        env=environment(**variables),
        preexec_fn=bounded(seconds),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    start = time.monotonic()
    while True:
        pid, status, usage = os.wait4(child.pid, os.WNOHANG)
        if pid:
            child.returncode = 0
            code = os.waitstatus_to_exitcode(status)
            how = "passed" if code == 0 else "hang" if code in (-24, -9) else "failed"
            return how, usage.ru_utime + usage.ru_stime, time.monotonic() - start
        if time.monotonic() - start > longest:
            child.kill()
        time.sleep(0.002)


class Test:
    def __init__(self, program, name, seconds, clock, reached):
        self.program, self.name, self.reached = program, name, reached
        self.seconds, self.clock = seconds, clock  # of a processor, and by the clock


def record(program, name):
    """Runs a test alone. Returns it with the mutants that it reaches; None if it fails or is slow."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "reached")
        how, seconds, clock = run(program, [name], 4 * SLOW, LONG, MUTANTS_REACHED=path)
        reached = set(map(int, open(path).read().split())) if os.path.exists(path) else set()
    if how == "failed":
        print(f"  left out: {name}: fails although no mutant is on", flush=True)
    if how != "passed":
        return None
    return Test(program, name, seconds, clock, reached) if seconds <= SLOW else None


def tests_of(program):
    said = subprocess.run([program.path, "--list"], env=environment(MUTANT="0"), capture_output=True, text=True, check=True)
    return [line.removesuffix(": test") for line in said.stdout.splitlines() if line.endswith(": test")]


def recorded(programs, jobs):
    """Runs each test alone. Returns those that pass and are fast, with the mutants that they reach."""
    with ThreadPoolExecutor(jobs) as pool:
        all_tests = [pool.submit(record, program, name) for program in programs for name in tests_of(program)]
        tests = [test for test in (job.result() for job in all_tests) if test]
    seconds = sum(test.seconds for test in tests)
    print(f"{len(tests)} of {len(all_tests)} tests take part, which take {seconds:.0f} s together", flush=True)
    return tests


def mark_equivalent(mutants, path):
    with open(path) as file:
        keys = {line.partition("\t")[0] for line in file if line.strip() and not line.startswith("#")}
    for mutant in mutants:
        if mutant.key in keys:
            mutant.state = "equivalent"


class Court:
    """Decides about mutants: runs the tests that reach a mutant until one fails, those first that are most likely to fail."""

    def __init__(self, tests):
        self.reaching = collections.defaultdict(list)
        self.killers = collections.defaultdict(list)  # of the mutants of a file, the latest first
        for test in tests:
            for number in test.reached:
                self.reaching[number].append(test)

    def judge(self, mutant):
        killers = self.killers[mutant.file]
        # A test that reaches little is about what it reaches.
        tests = sorted(self.reaching[mutant.number], key=lambda test: len(test.reached))
        tests.sort(key=lambda test: killers.index(test) if test in killers else len(killers))
        tests = within_patience(tests)
        at, size = 0, 4 + len(killers)
        while at < len(tests):
            these, at, size = tests[at : at + size], at + size, size * 3
            for program in dict.fromkeys(test.program for test in these):
                own = [test for test in these if test.program == program]
                seconds = 2 + 10 * sum(test.seconds for test in own)
                clock = 10 + 10 * sum(test.clock for test in own)
                how, *_ = run(program, [test.name for test in own], seconds, clock, MUTANT=str(mutant.number))
                if how != "passed":
                    self.killers[mutant.file] = [*own, *(test for test in killers if test not in own)][:MOST_KILLERS]
                    return "killed" if how == "failed" else "hang"
        return "survived" if tests else "unreached"


def within_patience(tests):
    """Returns the first tests. A mutant that they leave alive might die by one of the others, so the figures are a lower bound."""
    left = PATIENCE
    for at, test in enumerate(tests):
        left -= test.seconds
        if left < 0:
            return tests[:at]
    return tests


def chosen(mutants, options):
    """Returns the mutants that are to be tried, in an order that stays the same wherever in their files they stand."""
    mutants = sorted(mutants, key=lambda mutant: hashlib.sha256(mutant.key.encode()).digest())
    if options.whole or options.file:
        return mutants
    samples = ([mutant for mutant in mutants if room(mutant) in rooms][:size] for size, rooms in SAMPLES)
    return list(itertools.chain(*samples))


def room(mutant):
    return mutant.file.removeprefix("amqp-proto/src/").partition("/")[0]


def table(mutants):
    """Prints what became of the mutants. Returns the share, in per cent, that was killed of those that a test could kill."""
    columns = ["mutants", "not built", "equivalent", "viable", "killed", "hang", "survived", "unreached"]
    rows = collections.defaultdict(collections.Counter)
    for mutant in mutants:
        for row in (room(mutant), "all"):
            rows[row]["mutants"] += 1
            rows[row]["viable"] += mutant.state not in ("not built", "equivalent")
            rows[row][mutant.state] += mutant.state != "viable"
    print(" " * 12 + "".join(f"{column:>11}" for column in columns) + "   killed %")
    for row in [*sorted(set(rows) - {"all"}), "all"]:
        killed = 100 * (rows[row]["killed"] + rows[row]["hang"]) / max(rows[row]["viable"], 1)
        print(f"{row:12}" + "".join(f"{rows[row][column]:11}" for column in columns) + f"{killed:11.1f}")
    return killed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tree")
    parser.add_argument("equivalent")
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--file")
    parser.add_argument("--results", help="a file for a line on each mutant")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()
    tree = os.path.abspath(options.tree)
    folders = [f"amqp-proto/src/{room}/**" for _, rooms in SAMPLES for room in rooms]
    mutants = chosen(build.listed(tree, [options.file] if options.file else folders), options)
    mark_equivalent(mutants, options.equivalent)
    programs = build.build(tree, COMMAND, environment(), mutants, sys.stdout)
    court = Court(recorded(programs, options.jobs))

    def try_one(mutant):
        if mutant.state is None:
            mutant.state = court.judge(mutant)
            if results:
                print(mutant.state, mutant.key, mutant.name, sep="\t", file=results, flush=True)

    with open(options.results, "w") if options.results else contextlib.nullcontext() as results:
        with ThreadPoolExecutor(options.jobs) as pool:
            list(pool.map(try_one, mutants))
    for mutant in mutants:
        if mutant.state in ("survived", "unreached"):
            print(f"{mutant.state}: {mutant.name}")
    killed = table(mutants)
    if killed < FLOOR:
        sys.exit(f"mutants: {killed:.1f} % are killed, and {FLOOR} % have to be")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Compares counted instructions with the table of an earlier count. Usage: counts.py [--update] TABLE COUNTED

Both files begin with the version of the compiler; each line after it is a count, a tab and the name of a case. A case
that takes 2 % more than the table says fails, and so does a case that one of the files lacks. Another compiler makes
other code: then 10 % more fails. With --update the table becomes what was counted."""
import pathlib, sys

SAME_COMPILER, OTHER_COMPILER = 1.02, 1.10


def read(text):
    compiler, *lines = text.strip().split("\n")
    return compiler, {name: int(count) for count, name in (line.split("\t") for line in lines)}


def faults(table, counted):
    (before, expected), (now, found) = read(table), read(counted)
    bound = SAME_COMPILER if before == now else OTHER_COMPILER
    for name in sorted(expected.keys() | found.keys()):
        if name not in found or name not in expected:
            yield "%s: not in %s" % (name, "the table" if name in found else "what was counted")
        elif found[name] > expected[name] * bound:
            yield "%s: %d instructions, and %d in the table" % (name, found[name], expected[name])


def self_test():
    table = "rustc 1\n1000\tencode\n2000\tdecode\n"
    right = [table, "rustc 1\n1020\tencode\n100\tdecode\n", "rustc 2\n1100\tencode\n2000\tdecode\n"]
    wrong = ["rustc 1\n1021\tencode\n2000\tdecode\n", "rustc 2\n1000\tencode\n2201\tdecode\n",
             "rustc 1\n1000\tencode\n", "rustc 1\n1000\tencode\n2000\tdecode\n5\tnew\n"]
    for counted in right:
        assert not list(faults(table, counted)), counted
    for counted in wrong:
        assert len(list(faults(table, counted))) == 1, counted
    print("counts: the check accepts %d right counts and refuses %d wrong ones" % (len(right), len(wrong)))


def main(arguments):
    if arguments == ["--self-test"]:
        return self_test()
    table, counted = map(pathlib.Path, arguments[-2:])
    if "--update" in arguments:
        table.write_text(counted.read_text())
        return print("counts: %s is written" % table)
    found = list(faults(table.read_text(), counted.read_text()))
    for fault in found:
        print("counts: " + fault)
    if found:
        sys.exit("counts: slower than the table says; `bash .ci/counts --update` if that is meant")
    print("counts: %d cases take no more instructions than the table says" % len(read(counted.read_text())[1]))


main(sys.argv[1:])

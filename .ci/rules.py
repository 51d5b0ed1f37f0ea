#!/usr/bin/env python3
"""amqp-proto/RULES.md says which tests show which rule. It cannot rot: every rule of its list is in one row of its
tables, at the same level; a row names tests, or says `none: ` and why. A named test,
`file.rs::name` below amqp-proto/tests or `src/...` below amqp-proto, is there, and its name or the comment above it
carries the rule's id. Usage: rules.py [CRATE]"""
import collections, pathlib, re, sys

ID = r"[A-Z](?:-[A-Z]+)?-\d\d"
LISTED = re.compile(r"\b(%s) ([MSP](?:/[MSP])?)(?=[,.;\s])" % ID)
ROW = re.compile(r"\| *(%s) *\| *([^| ]+) *\| *([^|]+?) *\| *([^|]+?) *\| *([^|]*?) *\|" % ID)
TEST = re.compile(r"`([\w/.]+\.rs)::(\w+)`")
MORE = re.compile(r"(%s)((?:(?:,| and| to|, and) -\d\d)+)" % ID)

def carried(comment):
    """The ids in a comment; `T-DISP-03, -04` is two of them."""
    for whole in MORE.finditer(comment):
        for number in re.findall(r"-(\d\d)", whole[2]):
            yield whole[1][:-2] + number
    yield from re.findall(ID, comment)

def tests(file):
    """Each function of a file with the comment above it."""
    found, above = {}, []
    for line in file.read_text().splitlines():
        text = line.strip()
        if text.startswith("///"):
            above.append(text)
        elif name := re.match(r"(?:pub(?:\(\w+\))? )?fn (\w+)", text):
            found[name[1]], above = "\n".join(above), []
        elif not text.startswith("#["):
            above = []
    return found

def row_faults(crate, rule, text, files):
    named = TEST.findall(text)
    if not named and not re.match(r"none: \w", text):
        yield "no test, and no reason why"
    if named and text.startswith("none:"):
        yield "tests, and a reason why there are none"
    for place, name in named:
        file = crate / place if place.startswith("src/") else crate / "tests" / place
        if file not in files:
            files[file] = tests(file) if file.is_file() else {}
        if name not in files[file]:
            yield "there is no test %s::%s" % (place, name)
        elif rule.lower().replace("-", "_") not in name and rule not in carried(files[file][name]):
            yield "neither name nor comment of %s::%s carries it" % (place, name)

def check(crate):
    """The faults, and how many rows have tests, and have none."""
    text, kinds, files, faults = (crate / "RULES.md").read_text(), collections.Counter(), {}, []
    tables, _, rest = text.partition("\n## The rules\n")
    listed, rows = dict(LISTED.findall(rest)), ROW.findall(tables)
    count = collections.Counter(rule for rule, *_ in rows)
    faults += ["%s: in no row" % rule for rule in listed if not count[rule]]
    faults += ["%s: in %d rows" % (rule, times) for rule, times in count.items() if times > 1]
    for rule, level, _, _, shown in rows:
        if listed.get(rule) != level:
            faults.append("%s: level %s, but %s in the list" % (rule, level, listed.get(rule)))
        faults += ["%s: %s" % (rule, why) for why in row_faults(crate, rule, shown, files)]
        kinds[shown.partition(":")[0] if shown.startswith("none:") else "shown"] += 1
    if not listed:
        faults.append("there is no list of rules")
    return faults, kinds

if __name__ == "__main__":
    faults, kinds = check(pathlib.Path(sys.argv[1] if sys.argv[1:] else "amqp-proto"))
    said = "rules: %d shown by tests, %d with a reason why not" % (kinds["shown"], kinds["none"])
    print(*faults or [said], sep="\n")
    sys.exit(1 if faults else 0)

#!/usr/bin/env python3
"""amqp-proto/RULES.md says which tests show which rule. It cannot rot: every rule of its list is in one row of its
tables, at the same level. A row is of one of these kinds:

  shown     names tests, and nothing else
  deviates  says `deviates: ` and why the crates do something else, by choice; it may name tests that show what they do
  missing   says `missing: ` and what the crates lack
  none      says `none: ` and why the rule needs no test here

A named test is there, is a test, and carries the rule's id in its name or in the comment above it. `file.rs::name` lies below
amqp-proto/tests, `src/file.rs::name` below amqp-proto, `amqp-tokio/tests/file.rs::name` in that crate.
Usage: rules.py [CRATE]"""
import collections, pathlib, re, sys

ID = r"[A-Z](?:-[A-Z]+)?-\d\d"
LISTED = re.compile(r"\b(%s) ([MSPIQ](?:/[MSPIQ])?)(?=[,.;\s])" % ID)
ROW = re.compile(r"\| *(%s) *\| *([^| ]+) *\| *([^|]+?) *\| *([^|]+?) *\| *([^|]*?) *\|" % ID)
TEST = re.compile(r"`([\w/.-]+\.rs)::(\w+)`")
MORE = re.compile(r"(%s)((?:(?:,| and| to|, and) -\d\d)+)" % ID)
KINDS = ("deviates", "missing", "none")

def carried(comment):
    """The ids in a comment; `T-DISP-03, -04` is two of them."""
    for whole in MORE.finditer(comment):
        for number in re.findall(r"-(\d\d)", whole[2]):
            yield whole[1][:-2] + number
    yield from re.findall(ID, comment)

def tests(file):
    """Each test of a file with the comment above it."""
    found, above, is_test = {}, [], False
    for line in file.read_text().splitlines():
        text = line.strip()
        if text.startswith("//"):
            above.append(text)
        elif name := re.match(r"(?:pub(?:\(\w+\))? )?(?:async )?fn (\w+)", text):
            if is_test:
                found[name[1]] = "\n".join(above)
            above, is_test = [], False
        elif text.startswith("#["):
            is_test = is_test or bool(re.match(r"#\[(?:\w+::)?test\b", text))
        else:
            above, is_test = [], False
    return found

def path_of(crate, place):
    if place.startswith("src/"):
        return crate / place
    first = place.partition("/")[0]
    beside = crate.parent / first
    return crate.parent / place if (beside / "tests").is_dir() else crate / "tests" / place

def kind_of(text):
    return next((kind for kind in KINDS if re.match(kind + ":", text)), "shown")

def row_faults(crate, rule, text, files):
    named, kind = TEST.findall(text), kind_of(text)
    if kind == "shown" and not named or kind != "shown" and not re.match(r"\w+: \w", text):
        yield "no test, and no reason why"
    if kind in ("missing", "none") and named:
        yield "tests, and a reason why there are none"
    for place, name in named:
        file = path_of(crate, place)
        if file not in files:
            files[file] = tests(file) if file.is_file() else {}
        if name not in files[file]:
            yield "there is no test %s::%s" % (place, name)
        elif rule.lower().replace("-", "_") not in name and rule not in carried(files[file][name]):
            yield "neither name nor comment of %s::%s carries it" % (place, name)

def check(crate):
    """The faults, and how many rows there are of each kind."""
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
        kinds[kind_of(shown)] += 1
    if not listed:
        faults.append("there is no list of rules")
    return faults, kinds

if __name__ == "__main__":
    faults, kinds = check(pathlib.Path(sys.argv[1] if sys.argv[1:] else "amqp-proto"))
    said = "rules: %d shown by tests; %s" % (kinds["shown"], ", ".join("%d %s" % (kinds[kind], kind) for kind in KINDS))
    print(*faults or [said], sep="\n")
    sys.exit(1 if faults else 0)

#!/usr/bin/env python3
"""The prose of the sources: docs that can be read alone, as tooltips, and that say all that a caller has to know.
Usage: prose.py [TREE]

In each crate of CRATES:
- No summary begins with one of WORDS: a summary is a verb phrase, or names the thing.
- In src/ and examples/, no doc comment has the id of a rule; `//` comments and tests may.
And in src/, but not in modules of tests:
- A `pub fn`, or a method of a `pub trait`, that returns a Result has a section `# Errors`.
- In amqp-tokio, a `pub fn` that is async or returns a future has a section `# Cancel safety`, and so has a type that
  implements `Future` or `IntoFuture`."""
import pathlib, re, sys

CRATES = ("amqp-proto", "amqp-tokio", "amqp-blocking")
PARTS = ("src", "examples", "tests", "benches", "adapter-tests")
WORDS = re.compile(r"(What|Whether|How|The same|Who|Nobody)\b")
ID = re.compile(r"\b[A-Z](?:-[A-Z]+)?-\d\d\b")
DOC = re.compile(r"\s*//([/!])(?!/) ?(.*)")
FN = re.compile(r"(pub )?(?:default )?(?:const )?(async )?(?:unsafe )?fn ([\w$]+)")
RESULT = re.compile(r"(?:[\w$]+::)*(?<!fmt::)Result\b|(?:impl |Pin<Box<dyn )(?:[\w$]+::)*Future<Output = (?:[\w$]+::)*Result\b")
FUTURE = re.compile(r"\b(?:Into)?Future\b")
IMPL = re.compile(r"\s*impl(?:<.*?>)? (?:\w+::)*(?:Into)?Future for (\w+)")
TYPE = re.compile(r"pub (?:struct|enum) ([\w$]+)")
TRAIT = re.compile(r"(\s*)pub (?:unsafe )?trait \w")
TESTS = re.compile(r"^#\[cfg\(test\)\]\n(?:#\[.*\]\n)*mod \w+ \{", re.M)


def signature(lines, at):
    """What a function returns, as text; its declaration starts at this line."""
    text, depth, angles = "\n".join(lines[at : at + 40]), 0, 0
    arrow = None
    for place, char in enumerate(text):
        if char in "([":
            depth += 1
        elif char in ")]":
            depth -= 1
        elif depth == 0 and text.startswith("->", place) and not angles:
            arrow = place
        elif char == "<":
            angles += 1
        elif char == ">" and text[place - 1] not in "-=":
            angles -= 1
        elif char in "{;" and depth == 0:
            break
    if arrow is None:
        return ""
    return re.split(r"\swhere\b", text[arrow + 2 : place])[0].strip()


class File:
    def __init__(self, crate, part, text):
        self.is_source, self.may_have_ids = part == "src", part in ("tests", "benches", "adapter-tests")
        self.is_tokio = self.is_source and crate == "amqp-tokio"
        if tests := TESTS.search(text):
            text = text[: tests.start()]
        self.lines = text.split("\n")
        self.types, self.futures = {}, []

    def faults(self):
        docs, kind, trait, attribute = [], None, None, 0
        for number, line in enumerate(self.lines, 1):
            if doc := DOC.match(line):
                if kind != doc[1] or attribute:
                    docs, kind, attribute = [], doc[1], 0
                if not docs and (word := WORDS.match(doc[2])):
                    yield number, "a summary that begins with '%s'" % word[1]
                if (rule := ID.search(doc[2])) and not self.may_have_ids:
                    yield number, "the id of a rule in a doc comment: %s" % rule[0]
                docs.append(doc[2])
                continue
            code = line.strip()
            if attribute or code.startswith("#["):
                attribute += code.count("[") - code.count("]")
                continue
            if code.startswith("//"):
                continue
            if opened := TRAIT.match(line):
                trait = opened[1]
            elif trait is not None and line == trait + "}":
                trait = None
            if named := TYPE.match(code):
                self.types[named[1]] = (number, docs)
            if future := IMPL.match(line):
                self.futures.append(future[1])
            if (fn := FN.match(code)) and (fn[1] or trait is not None and line.startswith(trait + "    fn")):
                yield from self.function(number, fn, docs)
            docs, kind = [], None
        for name in self.futures if self.is_tokio else ():
            number, docs = self.types.get(name, (0, None))
            if docs is not None and "# Cancel safety" not in docs:
                yield number, "a future without '# Cancel safety': %s" % name

    def function(self, number, fn, docs):
        returns = signature(self.lines, number - 1)
        if self.is_source and RESULT.match(returns) and "# Errors" not in docs:
            yield number, "a Result without '# Errors': %s" % fn[3]
        if self.is_tokio and (fn[2] or FUTURE.search(returns)) and "# Cancel safety" not in docs:
            yield number, "a future without '# Cancel safety': %s" % fn[3]


def main(tree):
    faults, count = [], 0
    for crate in CRATES:
        for part in PARTS:
            for path in sorted((tree / crate / part).rglob("*.rs")):
                count += 1
                name = path.relative_to(tree)
                faults += ["%s:%d: %s" % (name, *fault) for fault in File(crate, part, path.read_text()).faults()]
    if not count:
        faults = ["there are no sources"]
    print(*faults or ["prose: %d files, every summary can be read alone" % count], sep="\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1] if sys.argv[1:] else ".")))

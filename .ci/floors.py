#!/usr/bin/env python3
"""Imports in amqp-proto/src point down: a file uses its own room (folder, or file beside lib.rs), the other rooms of
its floor, and lower floors. testing/ uses everything and nothing uses it. Nobody uses the crate root's names.
lib.rs holds docs, attributes, mod, use and extern crate lines only. Usage: floors.py [SRC]"""
import pathlib, re, sys

FLOOR = {"types": 0, "codec": 1, "wire": 2, "message": 3, "config": 3, "sasl": 3, "brokers": 3, "machine": 4, "policy": 4,
         "connection": 5, "view": 5, "event": 5, "error": 5, "handler": 5, "client": 6, "guide": 6, "driver": 7,
         "testing": None}
BLOCK = r"/\*(?:(?!/\*|\*/).)*\*/"
for _ in range(3):  # block comments nest
    BLOCK = r"/\*(?:(?!/\*|\*/).|%s)*\*/" % BLOCK
QUIET = re.compile(r'//[^\n]*|%s|\b[bc]?r(#*)".*?"\1|"(?:\\.|[^"\\])*"|\'(?:\\.[^\']*|[^\'\\])\'' % BLOCK, re.S)
MARK = re.compile(r"\bmod\s+(\w+)\s*\{|[{}]|(?<!\w)(?<!::)(?:crate|super|self)\b(?=\s*::|\s+as\b)")
STEP, COLONS = re.compile(r"\s*(\w+|[*{])"), re.compile(r"\s*::")
CLOSE, COMMA = re.compile(r"\s*\}"), re.compile(r"[^,{}]*,?")
DOOR = re.compile(r"\s*(pub(\s*\([^)]*\))?\s+)?(mod\s+\w+|use\s[\w\s:{},*#]+|extern\s+crate\s+\w+(\s+as\s+\w+)?)?\s*")

def code(text):
    """The text without comments, strings and visibilities; lines keep their numbers."""
    text = QUIET.sub(lambda quiet: " " + "\n" * quiet[0].count("\n"), text)
    return re.sub(r"\bpub\s*\([^)]*\)", "pub", text)

def paths(text, at, here):
    """The paths, from the crate root, of the path or use tree at `at` in module `here`; and where it ends."""
    found, path = [], list(here)
    while step := STEP.match(text, at):
        at = step.end()
        if step[1] == "{":
            while not (close := CLOSE.match(text, at)) and at < len(text):
                inner, at = paths(text, at, path)
                found, at = found + inner, COMMA.match(text, at).end()
            return found, close.end() if close else at
        path = {"crate": [], "self": path, "super": path[:-1]}.get(step[1], path + [step[1]])
        if not (colons := COLONS.match(text, at)):
            break
        at = colons.end()
    return found + [path], at

def imports(text, module):
    """(line, path from the crate root) of every path in `text` that starts at crate, super or self."""
    at, nest = 0, []
    while mark := MARK.search(text, at):
        at = mark.end()
        if mark[0] == "}":
            nest = nest[:-1]
        elif mark[0][-1] == "{":
            nest.append(mark[1])
        else:
            line = text.count("\n", 0, mark.start()) + 1
            found, at = paths(text, mark.start(), module + [name for name in nest if name])
            yield from ((line, path) for path in found)

def fault(room, path):
    to = path[0] if path else "*"
    if to not in FLOOR:
        return "uses the crate root's names"
    if room in (to, "testing"):
        return None
    if to == "testing":
        return "uses the side room testing/"
    if FLOOR[to] > FLOOR[room]:
        return "floor %d uses floor %d" % (FLOOR[room], FLOOR[to])

def check(src):
    if not (src / "lib.rs").is_file():
        yield "%s/lib.rs is missing" % src
    for file in sorted(src.rglob("*.rs")):
        text, module = code(file.read_text()), list(file.relative_to(src).with_suffix("").parts)
        if module == ["lib"]:
            items = re.sub(r"#!?\[(?:[^][]|\[[^][]*\])*\]", "", text).split(";")
            yield from ("lib.rs defines: " + " ".join(item.split())[:60] for item in items if not DOOR.fullmatch(item))
        elif module[0] not in FLOOR:
            yield "%s stands on no floor" % file
        else:
            for line, path in imports(text, module[:-1] if module[-1] == "mod" else module):
                if why := fault(module[0], path):
                    yield "%s:%d: %s: crate::%s" % (file, line, why, "::".join(path))

if __name__ == "__main__":
    source = sys.argv[1] if sys.argv[1:] else "amqp-proto/src"
    faults = list(check(pathlib.Path(source)))
    print(*faults or ["floors: the imports in %s point down" % source], sep="\n")
    sys.exit(1 if faults else 0)

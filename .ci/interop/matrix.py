#!/usr/bin/env python3
"""Makes MATRIX.md of what came of each case: matrix.py FOLDER >MATRIX.md

Each part of the run leaves a file in the folder, with a line for each case: server, client, case, result and words, with
tabs between them, and the group of the case where there are any. The words say why the result is not ok. Parts, cases and
columns keep the order in which they first come.
"""

import sys
from pathlib import Path

HEAD = """# What works with whom

Made by `bash .ci/interop/run`; [README.md](README.md) says what each part does. What is not `ok` has a number, which stands
for the reason below the table. A `limit` is one of the other side: the case sees that it comes as the error that is named,
and fails if it does not."""

# file: title, and what stands for a column, for a row, and for a reason
PARTS = {
    "ours": ("Our clients, their brokers", "{server}, {client}", "{case}", "{server}: {words}"),
    "foreign": ("Their clients, our broker and our listener", "{client}", "{server}: {case}", "{words}"),
    "hello": ("Their first programs, as they ship, our broker and our listener", "{client}", "{server}: {case}", "{words}"),
    "jms": ("A JMS client, our broker", "{client}", "{server}: {case}", "{words}"),
    "killed": ("A peer that is killed while messages are on the way", "{client}", "{server}", "{words}"),
    "persists": ("A broker that is killed and comes back with what it had accepted", "{client}", "{server}", "{words}"),
    "kills": ("A broker that is killed again and again while messages are sent and received", "{client}", "{server}", "{words}"),
    "cluster": ("A cluster that loses a node while messages are sent and received", "{client}", "{server}", "{words}"),
}


def read(path, column, row, reason):
    """{group: {row: {column: (result, words)}}}"""
    groups = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        server, client, case, result, words, *group = line.split("\t")
        names = {"server": server, "client": client, "case": case.replace("_", " "), "words": words}
        cells = groups.setdefault("".join(group), {}).setdefault(row.format(**names), {})
        if column.format(**names) in cells:
            sys.exit(f"matrix.py: two results for {line}")
        cells[column.format(**names)] = (result, reason.format(**names))
    return groups


def table(cases):
    columns = list(dict.fromkeys(column for cells in cases.values() for column in cells))
    columns.sort(key=lambda column: column.split(", ")[0])  # what belongs together stands together
    notes = []
    yield "| case | " + " | ".join(columns) + " |"
    yield "| --- |" + " --- |" * len(columns)
    for case, cells in cases.items():
        row = [case]
        for column in columns:
            result, note = cells.get(column, ("", ""))
            if result not in ("ok", ""):
                if note not in notes:
                    notes.append(note)
                result += f" ({notes.index(note) + 1})"
            row.append(result)
        yield "| " + " | ".join(row) + " |"
    if notes:
        yield ""
    for number, note in enumerate(notes, 1):
        yield f"{number}. {note}"


def main():
    print(HEAD)
    for name, (title, *forms) in PARTS.items():
        path = Path(sys.argv[1]) / f"{name}.tsv"
        if not path.exists():
            sys.exit(f"matrix.py: {path} is missing")
        print(f"\n## {title}")
        for group, cases in read(path, *forms).items():
            if group:
                print(f"\n### {group.capitalize()}")
            print("\n" + "\n".join(table(cases)))


main()

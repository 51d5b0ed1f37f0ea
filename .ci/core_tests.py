"""Copies the repository to a folder, and joins the tests of amqp-proto there in one program: core_tests.py FOLDER.

The program is called `core`. It links once where the tests alone link seventy times, which counts where everything is built anew
for a measurement. Tests that run cargo are not in it.
"""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

LEFT_OUT = {"captures", "dump", "examples", "readme"}
SHARED = re.compile(r'(?:#\[path = "[^"]*"\]\n)?mod (common|endpoint);\n')


def copy(folder):
    """Copies what git tracks; files that are as they were keep their times, so that cargo does not build them again."""
    listed = subprocess.run(["git", "ls-files", "-z"], check=True, capture_output=True).stdout
    names = {name.decode() for name in listed.split(b"\0") if name}
    for name in sorted(names):
        if Path(name).is_file():
            place(folder / name, Path(name).read_bytes())
    for old in folder.glob("amqp-proto/**/*.rs"):
        name = str(old.relative_to(folder))
        if name not in names and not name.startswith("amqp-proto/tests/core/"):
            old.unlink()


def place(path, octets):
    if not path.is_file() or path.read_bytes() != octets:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(octets)


def join(tests):
    """Writes `core`: each program of the folder as a module of it."""
    lines = ["#![allow(warnings)]"]
    for shared in ("common/mod.rs", "common/endpoint.rs"):
        name = shared.removesuffix("/mod.rs").removesuffix(".rs").rpartition("/")[2]
        lines += [f'#[path = "../{shared}"]', f"mod {name};"]
    manifest = tomllib.loads((tests.parent / "Cargo.toml").read_text())
    features = {test["name"]: test["required-features"] for test in manifest["test"]}
    programs = [p for p in tests.glob("*.rs")] + [p for p in tests.glob("*/main.rs") if p.parent.name != "core"]
    for program in sorted(programs):
        whole = program.name == "main.rs"
        name = program.parent.name if whole else program.stem
        if name in LEFT_OUT:
            continue
        lines += [f'#[cfg(feature = "{feature}")]' for feature in features.get(name, [])]
        lines.append(f"mod {name};")
        if not whole:
            text = SHARED.sub(r"use crate::\1;\n", program.read_text())
            place(tests / "core" / f"{name}.rs", text.replace('path = "common/', 'path = "../common/').encode())
            continue
        for file in program.parent.glob("*.rs"):
            if file == program:
                place(tests / "core" / name / "mod.rs", SHARED.sub(r"use crate::\1;\n", file.read_text()).encode())
            else:
                place(tests / "core" / name / file.name, file.read_text().replace("crate::", "super::").encode())
    place(tests / "core" / "main.rs", ("\n".join(lines) + "\n").encode())


folder = Path(sys.argv[1])
copy(folder)
join(folder / "amqp-proto/tests")

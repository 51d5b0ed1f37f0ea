"""One build of amqp-proto that holds all mutants of cargo-mutants, each behind a switch.

cargo-mutants lists the mutants, and would build the crate for each of them. Here, each becomes a branch that is taken if its
number is in the environment, so that one build serves all. What cannot be a branch, such as code of constants, is not tried.
"""

import json
import os
import re
import subprocess
from collections import Counter, defaultdict
from typing import NamedTuple

import tree_sitter
import tree_sitter_rust

PARSER = tree_sitter.Parser(tree_sitter.Language(tree_sitter_rust.language()))

SWITCH = """
#[doc(hidden)]
#[allow(warnings, clippy::all)]
pub(crate) mod switch {
    extern crate std;
    use std::io::Write;
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

    const UNKNOWN: u32 = u32::MAX;
    const RECORD: u32 = u32::MAX - 1;
    static ACTIVE: AtomicU32 = AtomicU32::new(UNKNOWN);
    static REACHED: [AtomicBool; COUNT] = [const { AtomicBool::new(false) }; COUNT];

    #[inline(always)]
    pub(crate) fn on(mutant: u32) -> bool {
        let active = ACTIVE.load(Relaxed);
        active == mutant || active >= RECORD && slow(mutant)
    }

    #[cold]
    fn slow(mutant: u32) -> bool {
        if ACTIVE.load(Relaxed) == UNKNOWN {
            let active = match std::env::var("MUTANT") {
                Ok(number) => number.parse().unwrap(),
                Err(_) if std::env::var_os("MUTANTS_REACHED").is_some() => RECORD,
                Err(_) => 0,
            };
            ACTIVE.store(active, Relaxed);
            return on(mutant);
        }
        if !REACHED[mutant as usize].swap(true, Relaxed) {
            let path = std::env::var_os("MUTANTS_REACHED").unwrap();
            let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
            writeln!(file, "{mutant}").unwrap();
        }
        false
    }
}
"""


class Mutant:
    def __init__(self, number, listed):
        self.number = number
        self.file = listed["file"]
        self.genre = listed["genre"]
        self.name = listed["name"]
        self.replacement = listed["replacement"]
        self.span = listed["span"]
        self.key = re.sub(r":\d+:\d+:", ":", self.name)  # stays as it is when lines move
        self.state = None  # why it is not tried, or how it ended

    def branch(self, text):
        return f"/*<{self.number}*/{text}/*>{self.number}*/"


class Program(NamedTuple):
    """A program of tests, and the folder of its package, in which it runs."""

    path: str
    folder: str


def listed(tree, folders):
    """Returns the mutants that cargo-mutants finds in the folders of the tree."""
    command = ["cargo", "mutants", "--list", "--json", "-p", "amqp-proto"]
    for folder in folders:
        command += ["-f", folder]
    found = json.loads(subprocess.run(command, cwd=tree, check=True, capture_output=True).stdout)
    mutants = [Mutant(number, each) for number, each in enumerate(found, 1)]
    seen = Counter()
    for mutant in mutants:
        seen[mutant.key] += 1
        if seen[mutant.key] > 1:
            mutant.key += f" #{seen[mutant.key]}"
    return mutants


class Source:
    """A file, with the mutants that become branches in it."""

    def __init__(self, text, mutants):
        self.octets = text.encode()
        self.lines = [0]
        for line in self.octets.split(b"\n"):
            self.lines.append(self.lines[-1] + len(line) + 1)
        self.root = PARSER.parse(self.octets).root_node
        self.wraps = defaultdict(list)  # (start, end, rank) -> what makes the new text
        for mutant in mutants:
            if mutant.state is None:
                self.add(mutant)

    def offset(self, place):
        start = self.lines[place["line"] - 1]
        line = self.octets[start : self.lines[place["line"]]].decode()
        return start + len(line[: place["column"] - 1].encode())

    def text(self, start, end):
        return self.octets[start:end].decode()

    def add(self, mutant):
        start, end = self.offset(mutant.span["start"]), self.offset(mutant.span["end"])
        node = self.root.descendant_for_byte_range(start, end)
        if self.is_constant(node):
            mutant.state = "not built"
            return
        place = getattr(self, "place_" + mutant.genre)(mutant, node, start, end)
        if place is None:
            mutant.state = "not built"
        else:
            self.wraps[place].append(mutant)

    @staticmethod
    def is_constant(node):
        while node is not None:
            if node.type in ("const_item", "static_item", "array_type", "const_block", "enum_variant"):
                return True
            if node.type == "function_item":
                return any(c.type == "function_modifiers" and b"const" in c.text for c in node.children)
            node = node.parent
        return False

    def place_FnValue(self, _mutant, _node, start, _end):
        return (start, start, 0)

    def place_BinaryOperator(self, _mutant, node, start, end):
        while node is not None and node.type not in ("binary_expression", "compound_assignment_expr"):
            node = node.parent
        if node is None or not any((c.start_byte, c.end_byte) == (start, end) for c in node.children):
            return None
        return (node.start_byte, node.end_byte, 2)

    def place_UnaryOperator(self, _mutant, node, start, _end):
        while node is not None and node.type != "unary_expression":
            node = node.parent
        return None if node is None or node.start_byte != start else (node.start_byte, node.end_byte, 3)

    def place_MatchArmGuard(self, _mutant, _node, start, end):
        return (start, end, 1)

    def place_MatchArm(self, _mutant, node, _start, _end):
        while node is not None and node.type != "match_arm":
            node = node.parent
        if node is None:
            return None
        pattern = node.child_by_field_name("pattern")
        guard = pattern.child_by_field_name("condition")
        if guard is None:
            return (pattern.end_byte, pattern.end_byte, 4)
        return None if b"let " in guard.text else (guard.start_byte, guard.end_byte, 0)

    def place_StructField(self, _mutant, node, start, end):
        while node is not None and node.type not in ("field_initializer", "shorthand_field_initializer"):
            node = node.parent
        return None if node is None else (node.start_byte, node.end_byte, 5)

    def rendered(self):
        """Returns the text with all branches."""
        self.order = sorted(self.wraps, key=lambda place: (place[0], place[0] != place[1], -place[1], place[2]))
        self.next = 0
        return self.render(0, len(self.octets))

    def render(self, start, end):
        """Renders a range, beginning with the next wrap in order."""
        out, at = [], start
        while self.next < len(self.order):
            place = self.order[self.next]
            if place[0] >= end:
                break
            self.next += 1
            out.append(self.text(at, place[0]))
            out.append(self.wrap(place))
            at = place[1]
        out.append(self.text(at, end))
        return "".join(out)

    def wrap(self, place):
        start, end, rank = place
        mutants = self.wraps[place]
        if start == end and rank == 0:
            return "".join(m.branch(f"if crate::switch::on({m.number}) {{ return {m.replacement}; }} ") for m in mutants)
        if rank == 4:
            (mutant,) = mutants
            return mutant.branch(f" if !crate::switch::on({mutant.number})")
        before = self.text(start, end)
        if rank == 0:
            (mutant,) = mutants
            return mutant.branch(f"!crate::switch::on({mutant.number}) &&") + f" ({self.render(start, end)})"
        if rank == 5:
            (mutant,) = mutants
            node = self.root.descendant_for_byte_range(start, end)
            base = next(c for c in node.parent.children if c.type == "base_field_initializer").children[-1].text.decode()
            field, colon, value = before.partition(":")
            if colon:
                skipped = len((field + colon).encode())
                value = self.render(start + skipped, end)
            else:
                value = field
            changed = mutant.branch(f"if crate::switch::on({mutant.number}) {{ ({base}).{field.strip()} }}")
            return f"{field}: {changed} else {{ {value} }}"
        text = "("
        for mutant in mutants:
            if rank == 1:
                changed = mutant.replacement
            elif rank == 3:
                changed = before[1:]
            else:
                at, after = self.offset(mutant.span["start"]), self.offset(mutant.span["end"])
                changed = self.text(start, at) + mutant.replacement + self.text(after, end)
            text += mutant.branch(f"if crate::switch::on({mutant.number}) {{ {changed} }}") + " else "
        return text + "{ " + self.render(start, end) + " })"


MARK = re.compile(rb"/\*([<>])(\d+)\*/")


def regions(octets):
    """Returns (start, end, number) of each branch in a rendered file."""
    found, opened = [], {}
    for mark in MARK.finditer(octets):
        number = int(mark[2])
        if mark[1] == b"<":
            opened[number] = mark.end()
        else:
            found.append((opened.pop(number), mark.start(), number))
    return found


def write(tree, originals, mutants):
    """Writes the sources with the branches of all mutants that are still tried."""
    by_file = defaultdict(list)
    for mutant in mutants:
        by_file[mutant.file].append(mutant)
    for file, of_file in by_file.items():
        text = Source(originals[file], of_file).rendered()
        path = os.path.join(tree, file)
        if open(path).read() != text:
            open(path, "w").write(text)


def build(tree, command, environment, mutants, log):
    """Builds, leaving out the mutants that do not compile. Returns the programs that cargo made."""
    numbered = {m.number: m for m in mutants}
    originals = {file: open(os.path.join(tree, file)).read() for file in {m.file for m in mutants}}
    door = os.path.join(tree, "amqp-proto/src/lib.rs")
    text = open(door).read()
    open(door, "w").write(text + SWITCH.replace("COUNT", str(max(numbered) + 1)))
    for attempt in range(40):
        write(tree, originals, mutants)
        done = subprocess.run(
            command + ["--message-format=json"], cwd=tree, env=environment, capture_output=True, text=True
        )
        messages = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        if done.returncode == 0:
            return [Program(m["executable"], os.path.dirname(m["manifest_path"])) for m in messages if m.get("executable")]
        dropped = set()
        for message in messages:
            if message["reason"] == "compiler-message" and message["message"]["level"] == "error":
                dropped |= blamed(tree, message["message"])
        dropped = {n for n in dropped if numbered[n].state is None}
        print(f"  build {attempt + 1}: {len(dropped)} mutants do not compile", file=log, flush=True)
        if not dropped:
            found = [m["message"] for m in messages if m["reason"] == "compiler-message"]
            errors = [message["rendered"] for message in found if message["level"] == "error"]
            raise SystemExit("the mutated crate does not build:\n" + "\n".join(errors) + done.stderr)
        for number in dropped:
            numbered[number].state = "not built"
    raise SystemExit("the mutated crate does not build after 40 attempts")


def blamed(tree, message):
    """Returns the mutants in whose branches the compiler has found an error."""
    spans = [s for s in message["spans"] if s["is_primary"]]
    found = set()
    for these in (spans, message["spans"], [s for c in message["children"] for s in c["spans"]]):
        for span in these:
            path = os.path.join(tree, span["file_name"])
            if not os.path.exists(path):
                continue
            start, end = span["byte_start"], span["byte_end"]
            around = regions(open(path, "rb").read())
            inside = [r for r in around if r[0] <= start and end <= r[1]]
            if inside:
                found.add(min(inside, key=lambda r: r[1] - r[0])[2])
            else:
                found |= {r[2] for r in around if start <= r[0] and r[1] <= end and r[1] - r[0] > 0}
        if found:
            return found
    # The fault is beside all branches, as of a value that a branch moves: those of the nearest lines go.
    for span in spans:
        path = os.path.join(tree, span["file_name"])
        if os.path.exists(path):
            around = regions(open(path, "rb").read())
            if around:
                nearest = min(around, key=lambda r: min(abs(r[0] - span["byte_start"]), abs(r[1] - span["byte_start"])))
                return {nearest[2]}
    return set()

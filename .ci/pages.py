#!/usr/bin/env python3
"""The pages (tracked *.md files) hold no dead link and no name of a thing that is not there. Usage: pages.py [TREE]

- A relative link leads to a file, and its #anchor to a heading of that file. No page links an item of Rust, such as
  [`Sender`] or (crate::guide): a page is read in the repository, too.
- A page that rustdoc includes defines its links at the end, by label, and the including file defines each label before,
  as an item: rustdoc takes the first definition, other readers the second.
- Samples of Rust have no hidden lines and at most 80 columns. Those in doc comments of sources may have hidden lines.
- A `file.rs`, `file.rs::name`, `.ci/step` or `--example NAME` in code style is there. So are the names of Rust in a
  `Type::name`, a `with_name` and a `cx.name`.
- A command with `--manifest-path FOLDER/Cargo.toml --bin NAME` runs a program that is there.
- amqp-proto/docs/EXAMPLES.md has every example and every such program, each with a command that runs it."""
import pathlib, re, subprocess, sys

FENCE = re.compile(r"^( *)(```+)(.*?)\n(.*?)^ *\2 *$", re.S | re.M)
SPAN = re.compile(r"(`+)(.+?)\1", re.S)
DEFINITION = re.compile(r"^\[([^\]]+)\]: *(\S+)", re.M)
INLINE = re.compile(r"\[[^][]*\]\(([^()\s]*)\)")
LABELLED = re.compile(r"\[([^][]+)\](?:\[([^][]*)\])?(?![(:\w])")
INCLUDE = re.compile(r'include_str!\("([^"]+\.md)"\)')
NAMED = re.compile(r"(?:[\w.-]+/)*[\w.-]+\.(?:rs|py|md|toml|sh|json|cjs)(?:::\w+)?|(?:[\w.-]+/)*\.ci/[\w/.-]+")
RUST = re.compile(r"\b(?:[A-Z]\w+::(\w+)|(with_\w+)|cx\.(\w+))")
PROGRAM = re.compile(r"--manifest-path ([\w./-]+)/Cargo\.toml[^\n`]*? --bin (\w+)")
ROOTS = ("", "amqp-proto", "amqp-proto/tests", "amqp-proto/src", "amqp-tokio/src", "amqp-blocking/src")
UNNAMED = ("amqp-proto/RULES.md",)  # rules.py reads the names in it
COLUMNS = 80


def blank(match):
    return re.sub(r"[^\n]", " ", match[0])


def slug(heading):
    heading = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading.strip().lower())
    return re.sub(r"[^\w\- ]", "", heading).replace(" ", "-")


def anchors(text):
    return {slug(line.lstrip("#")) for line in FENCE.sub(blank, text).splitlines() if re.match(r"#+ ", line)}


def samples(text):
    """The faults of the Rust samples, with their lines."""
    for fence in FENCE.finditer(text):
        words = re.split(r"[, ]+", fence[3].strip())
        is_rust = words[0] in ("", "rust", "no_run", "should_panic", "compile_fail")
        line = text.count("\n", 0, fence.start(4)) + 1
        for at, code in enumerate(fence[4].splitlines()):
            if is_rust and re.match(r" *# ", code + " "):
                yield line + at, "a hidden line in a sample: %s" % code.strip()
            if is_rust and len(code) > COLUMNS and not code.startswith("# "):
                yield line + at, "a sample of more than %d columns" % COLUMNS


class Tree:
    def __init__(self, root):
        self.root = root
        listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=root, capture_output=True, text=True)
        self.files = sorted(name for name in listed.stdout.split("\n") if (root / name).is_file())
        self.texts = {name: (root / name).read_text() for name in self.files if name.endswith(".md")}
        self.included, self.words = {}, set()
        for name in self.files:
            if name.endswith(".rs") and "/src/" in name:
                text = (root / name).read_text()
                self.words |= set(re.findall(r"\w+", re.sub(r"//[^\n]*", "", text)))
                for include in INCLUDE.finditer(text):
                    page = (root / name).parent.joinpath(include[1]).resolve().relative_to(root.resolve())
                    above = re.findall(r"^//[/!] \[([^\]]+)\]: ", self.block(text[: include.start()]), re.M)
                    self.included[str(page)] = (name, set(above))

    @staticmethod
    def block(text):
        """The doc comment that ends with `text`."""
        lines = []
        for line in reversed(text.split("\n")[:-1]):
            if not line.startswith("//"):
                break
            lines.insert(0, line)
        return "\n".join(lines)

    def path(self, page, target):
        base = self.root / page
        return (base.parent / target).resolve()

    def link(self, page, target):
        """What is wrong with a link, if anything."""
        if re.match(r"[a-z]+://|mailto:", target):
            return None
        file, _, anchor = target.partition("#")
        path = self.path(page, file) if file else self.root / page
        if "::" in target or not (re.search(r"[/.#]", target) or path.exists()):
            return "a link to an item of Rust: %s" % target
        if not path.exists():
            return "a dead link: %s" % target
        if anchor and path.suffix == ".md" and anchor not in anchors(path.read_text()):
            return "no such heading: %s" % target
        return None

    def named(self, page, name):
        """What is wrong with a thing that a page names, if anything."""
        file, _, item = name.partition("::")
        folders = [pathlib.Path(page).parent, *map(pathlib.Path, ROOTS)]
        paths = [path for path in (self.root / folder / file for folder in folders) if path.exists()]
        if not paths:
            return "no such file: %s" % name
        if item and not any(re.search(r"\b(fn|struct|enum|trait|mod|macro_rules!) %s\b" % item, path.read_text()) for path in paths if path.is_file()):
            return "no such item: %s" % name
        return None

    def page(self, page):
        text = self.texts[page]
        yield from samples(text)
        quiet = FENCE.sub(blank, text)
        line = lambda at: text.count("\n", 0, at) + 1
        for fence in FENCE.finditer(text):
            yield from self.commands(fence[4], line(fence.start(4)))
        for span in SPAN.finditer(quiet):
            yield from self.commands(span[2], line(span.start()))
            if page not in UNNAMED and NAMED.fullmatch(span[2]) and (why := self.named(page, span[2])):
                yield line(span.start()), why
            for rust in RUST.finditer(span[2]) if page not in UNNAMED else ():
                name = next(filter(None, rust.groups()))
                if name not in self.words:
                    yield line(span.start()), "no such name in the sources: %s" % rust[0]
        defined = {found[1].lower(): found for found in DEFINITION.finditer(quiet)}
        includer, above = self.included.get(page, (None, set()))
        for label, found in defined.items():
            if why := self.link(page, found[2]):
                yield line(found.start()), why
            if includer and "://" not in found[2] and found[1] not in above:
                yield line(found.start()), "%s does not define [%s] above this page" % (includer, found[1])
        plain = SPAN.sub(lambda span: "`" + blank(span)[1:-1] + "`" if len(span[0]) > 1 else span[0], quiet)
        for found in INLINE.finditer(plain):
            target = quiet[found.start(1) : found.end(1)]
            if why := self.link(page, target):
                yield line(found.start()), why
            elif includer and not target.startswith("#") and "://" not in target:
                yield line(found.start()), "a link in a page that rustdoc includes, and no label: %s" % target
        for found in LABELLED.finditer(quiet):
            inside = plain[found.start() : found.end()]
            if inside[0] != "[" or "]" not in inside:
                continue  # in code style
            label = (found[2] or found[1]).lower()
            is_code = re.fullmatch(r"`[^`]+`", found[1])
            if label not in defined and (found[2] or is_code):
                yield line(found.start()), "a link without a target: [%s]" % (found[2] or found[1])

    def sources(self):
        for name in self.files:
            if name.endswith(".rs") and "/src/" in name:
                is_doc = re.compile(r"^\s*//[/!] ?(.*)$|.*")
                docs = "\n".join(is_doc.match(line)[1] or "" for line in (self.root / name).read_text().split("\n"))
                wide = (fault for fault in samples(docs) if "columns" in fault[1])
                yield from ("%s:%d: %s" % (name, *fault) for fault in wide)

    def commands(self, text, line):
        crates = re.findall(r"-p ([\w-]+)[^\n`]*?--example (\w+)", text)
        for crate, name in crates:
            folder = self.root / crate / "examples"
            if not any((folder / file).is_file() for file in (name + ".rs", name + "/main.rs")):
                yield line, "no such example: %s of %s" % (name, crate)
        for folder, name in PROGRAM.findall(text):
            if not (self.root / folder / "src/bin" / (name + ".rs")).is_file():
                yield line, "no such program: %s of %s" % (name, folder)

    def examples(self):
        index = self.texts.get("amqp-proto/docs/EXAMPLES.md", "")
        found = set(re.findall(r"-p ([\w-]+)[^\n`]*?--example (\w+)", index))
        for name in self.files:
            if example := re.fullmatch(r"([\w-]+)/examples/(\w+)(?:/main)?\.rs", name):
                if example.groups() not in found:
                    yield 1, "no command for the example %s of %s" % (example[2], example[1])
            if program := re.fullmatch(r"([\w-]+/examples/[\w-]+)/src/bin/(\w+)\.rs", name):
                if program.groups() not in PROGRAM.findall(index):
                    yield 1, "no command for the program %s of %s" % (program[2], program[1])

    def faults(self):
        if not self.texts:
            yield "there are no pages: is this a work tree of git?"
        for page in self.texts:
            for line, why in sorted(self.page(page)):
                yield "%s:%d: %s" % (page, line, why)
        yield from self.sources()
        yield from ("amqp-proto/docs/EXAMPLES.md:%d: %s" % fault for fault in self.examples())


if __name__ == "__main__":
    tree = Tree(pathlib.Path(sys.argv[1] if sys.argv[1:] else "."))
    faults = list(tree.faults())
    print(*faults or ["pages: %d pages, no dead link or name" % len(tree.texts)], sep="\n")
    sys.exit(1 if faults else 0)

#!/usr/bin/env python3
"""The adapters are thin skins over amqp-proto/src/driver, and amqp-proto does no IO. Usage: skins.py [TREE]

- A file of an adapter uses its own folder and files of lower floors only, so there is no cycle.
- An adapter has at most 1,885 lines outside of container/, broker/ and websocket/. The loop that opens a lost connection
  again waits, so each adapter has its own; amqp-tokio also puts a WebSocket below every way to open a connection.
- Outside of broker/ it counts no credit, window or number of a delivery, and names no condition and no performative.
- The broker uses only what lib.rs publishes.
- Both adapters have the same public items, except those that amqp-proto/docs/ADAPTERS.md lists as in one only.
- amqp-proto reads, writes, sleeps and asks the system nothing, in any file.
- host.rs of an adapter, which passes in what it needs, has at most 60 lines."""
import pathlib, re, sys
from floors import QUIET, code, imports

LIMIT = 1885  # 50 of them for transactions, 40 for sets of receivers, and 15 for the headers before TLS, which wait in both adapters
PAGE = "amqp-proto/docs/ADAPTERS.md"
FLOORS = {
    "amqp-tokio": "host within / connect coordinator reader sent tcp tls write_buffer / driver receiver websocket writer"
                  " / for_each receiver_set redial sender / builders / session"
                  " / connection transaction / listener requester responder / container / broker",
    "amqp-blocking": "host race reading transport wait / connect coordinator reader sent writing / receiver tls writer"
                     " / for_each receiver_set redial sender / builders / session / connection transaction / listener requester responder / container",
}
NUMBER = r"\w*(?:credit|window|delivery_id|delivery_count|transfer_id)\w*(?:\(\))?"
DECIDES = {
    "counts for the protocol": r"\b%s\s*(?:[-+]=?\s*[\w(]|\.(?:checked|wrapping|saturating|overflowing)_)|[-+]=?\s*(?:\w+\.)*%s\b"
                               % (NUMBER, NUMBER),
    "names a condition": r"\bCondition\b",
    "names a performative": r"\bPerformative\b"
                            r"|\bwire::(?:\{[^}]*)?\b(?:Open|Begin|Attach|Flow|Transfer|Disposition|Detach|End|Close)\b",
}
IO = re.compile(r"\bstd::(?:env::(?!consts\b)|fs\b|process\b)|\b(?:Tcp|Udp|Unix)(?:Stream|Listener|Socket)\b|\bFile::"
                r"|\bToSocketAddrs\b|\bstd(?:err|out|in)\(|\be?print(?:ln)?!|\bdbg!|\bgetrandom::|\bload_native_certs\b"
                r"|\bpem_file_iter\b|\bthread::(?:spawn|sleep|park|Builder|scope)|\b(?:Instant|SystemTime)::now\b")
HOST = 60
PUBLISHED = re.compile(r"^ *pub use ([^;]*);|^pub mod (\w+)", re.M)
FACE = "amqp-proto/src/driver/skin/face.rs"
BLOCK = re.compile(r"^impl(?:<[^{]*?>)? (\w+)(?:<[^{]*>)?(?: where[^{]*)? \{\n(.*?)^\}", re.S | re.M)
METHOD = re.compile(r"^    pub (?:async |const )*fn (\w+)", re.M)
WRITTEN = re.compile(r"\bdriver::skin::(\w+)!\s*[({]([^)};]*)")
ROW = re.compile(r"^\| `([\w:]+)` \|", re.M)


def leaves(tree):
    """The names that a use tree brings."""
    tree = re.sub(r"\s+", "", tree.replace(" as ", "@"))
    return {re.sub(r".*(?:::|@)", "", leaf) for leaf in re.split(r"[{},]", tree)} - {""}


def published(lib):
    return {name for use in PUBLISHED.finditer(lib) for name in (leaves(use[1]) if use[1] else [use[2]])}


def adapter(root, name):
    """The faults of an adapter, and its public items."""
    src, faults, lines = root / name / "src", [], 0
    floor = {room: at for at, rooms in enumerate(FLOORS[name].split("/")) for room in rooms.split()}
    lib = code((src / "lib.rs").read_text())
    names = published(lib)
    if "driver::skin::face!" in lib:
        names |= published(code((root / FACE).read_text()))
    items = {item for item in names if item[0].isupper() or item in ("broker", "websocket")}
    for file in sorted(src.rglob("*.rs")):
        text, module = file.read_text(), list(file.relative_to(src).with_suffix("").parts)
        bare, room = code(text), module[0]
        lines += 0 if room in ("container", "broker", "websocket") else text.count("\n")
        if room == "lib":
            continue
        if room == "host" and text.count("\n") > HOST:
            faults.append("%s has %d lines, more than %d" % (file, text.count("\n"), HOST))
        if room not in floor:
            faults.append("%s stands on no floor" % file)
            continue
        for line, path in imports(bare, module[:-1] if module[-1] == "mod" else module):
            to = path[0] if path else "*"
            if to == room:
                continue
            if room == "broker" and to not in names:
                faults.append("%s:%d: the broker uses what is not public: crate::%s" % (file, line, "::".join(path)))
            elif room != "broker" and to in floor and floor[to] >= floor[room]:
                faults.append("%s:%d: %s uses %s, which is not below it" % (file, line, room, to))
            elif room != "broker" and to not in floor:
                faults.append("%s:%d: uses the crate root's names: crate::%s" % (file, line, "::".join(path)))
        if room == "broker":
            continue
        for why, pattern in DECIDES.items():
            for found in re.finditer(pattern, bare):
                faults.append("%s:%d: %s: %s" % (file, bare.count("\n", 0, found.start()) + 1, why, found[0]))
        for kind, body in BLOCK.findall(QUIET.sub(" ", text)):
            items |= {"%s::%s" % (kind, method) for method in METHOD.findall(body) if kind in names}
        items |= {"skin %s!" % " ".join([macro] + re.findall(r"\w+", re.sub(r"\basync\b|\bTokio\b|\bBlocking\b", "", words)))
                  for macro, words in WRITTEN.findall(bare)}
    if lines > LIMIT:
        faults.append("%s has %d lines, more than %d" % (name, lines, LIMIT))
    return faults, items


def only(page, name):
    """The items that the page lists as in this adapter only."""
    part = re.search(r"^## Only in %s$(.*?)(?=^## |\Z)" % name, page, re.S | re.M)
    return set(ROW.findall(part[1])) if part else set()


def check(root):
    all_items = {}
    for name in FLOORS:
        faults, all_items[name] = adapter(root, name)
        yield from faults
    page = (root / PAGE).read_text()
    for name, other in zip(FLOORS, reversed(FLOORS)):
        alone, listed = all_items[name] - all_items[other], only(page, name)
        yield from ("%s has %s, %s has not: %s does not say so" % (name, item, other, PAGE)
                    for item in sorted(alone - listed))
        yield from ("%s says that only %s has %s" % (PAGE, name, item) for item in sorted(listed - alone))
    src = root / "amqp-proto/src"
    for file in sorted(src.rglob("*.rs")):
        found = [(line, hit[0]) for line, text in enumerate(code(file.read_text()).split("\n"), 1)
                 for hit in IO.finditer(text)]
        yield from ("%s:%d: IO in amqp-proto: %s" % (file, line, hit) for line, hit in found)


if __name__ == "__main__":
    root = pathlib.Path(sys.argv[1] if sys.argv[1:] else ".")
    faults = list(check(root))
    print(*faults or ["skins: the adapters are thin, alike and without cycles"], sep="\n")
    sys.exit(1 if faults else 0)

#!/usr/bin/env python3
"""Prints the flash that a program of 32 bits takes, and each part of it. Usage: size.py PROGRAM

The last line is the sum. A part is a crate or a module of amqp-proto, by the names of the program's symbols."""
import pathlib, re, struct, sys

LOADED = 1  # the type of a segment
SYMBOLS, NOT_IN_FILE = 2, 8  # the types of sections
DATA, FUNCTION = 1, 2  # the types of symbols
OWN = "amqp_proto"
OTHERS = "core|alloc|bytes|nom|smallvec|compiler_builtins"
PROGRAM = "embedded_alloc|firmware|cortex_m|cortex_m_rt|cortex_m_semihosting"


def headers(image, at, size, count, form):
    return [struct.unpack_from(form, image, at + size * number) for number in range(count)]


class Program:
    def __init__(self, image):
        if image[:6] != b"\x7fELF\x01\x01":
            sys.exit("size: not a program of 32 bits in little-endian order")
        segments, sections = struct.unpack_from("<II", image, 28)
        segment_size, segment_count, section_size, section_count = struct.unpack_from("<HHHH", image, 42)
        loaded = headers(image, segments, segment_size, segment_count, "<8I")
        # What is in the file lies in flash; what is not, such as the heap, lies in memory only.
        self.octets = sum(segment[4] for segment in loaded if segment[0] == LOADED)
        tables = headers(image, sections, section_size, section_count, "<10I")
        in_file = {number for number, table in enumerate(tables) if table[1] != NOT_IN_FILE}
        self.symbols = {}
        for table in tables:
            if table[1] == SYMBOLS:
                names = tables[table[6]][4]
                for name, address, size, info, _, section in headers(image, table[4], 16, table[5] // 16, "<IIIBBH"):
                    if info & 15 in (DATA, FUNCTION) and section in in_file and size:
                        end = image.index(b"\0", names + name)
                        self.symbols[address & ~1] = (image[names + name : end].decode(), size)

    def parts(self):
        """The octets by part, the largest first; what no symbol names is `constants`."""
        parts = {}
        for name, size in self.symbols.values():
            part = part_of(name)
            parts[part] = parts.get(part, 0) + size
        parts["constants"] = self.octets - sum(parts.values())
        return sorted(parts.items(), key=lambda part: -part[1])


def part_of(name):
    if own := re.search(OWN + r"(?:\.\.|\d+)(\w+?)(?:\.\.|\d+|\$|$)(\w*?)(?:\.\.|\d|\$|$)", name):
        return "::".join(own.groups()) if own[1] == "machine" else own[1]
    if re.search(r"\d(%s)(?:\d|\.\.|$)" % PROGRAM, name):
        return "the program"
    other = re.search(r"\d(%s)(?:\d|\.\.|$)" % OTHERS, name)
    return other[1] if other else "generic code"


def main(arguments):
    program = Program(pathlib.Path(arguments[0]).read_bytes())
    for part, octets in program.parts():
        print("%9d  %s" % (octets, part))
    print("%9d  in all" % program.octets)


main(sys.argv[1:])

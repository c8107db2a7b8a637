#!/usr/bin/env python3
"""Makes worker/data/unicode_tables*.c from scripts/unicode/*.tsv.

    scripts/unicode-tables.py          writes the tables
    scripts/unicode-tables.py --check  compares; exit 1 if they differ
"""
import pathlib
import sys

root = pathlib.Path(__file__).resolve().parent.parent
tsv = root / "scripts" / "unicode"
NOTE = ("/* {name} - made by scripts/unicode-tables.py from scripts/unicode/; do not edit.\n"
        " * Data: Unicode License v3, Copyright 1991-2024 Unicode, Inc.; see scripts/unicode/README.md.\n"
        " */\n#include \"worker/data/unicode_tables.h\"\n\n")


def rows(name):
    for line in (tsv / name).read_text().splitlines():
        if line and not line.startswith("#"):
            yield line.split("\t")


def wrapped(items):
    lines, line = [], "   "
    for item in items:
        if len(line) + len(item) + 2 > 100:
            lines.append(line)
            line = "   "
        line += " " + item + ","
    return "\n".join(lines + [line]) + "\n"


def classes():
    """Starts of ranges of one class, (first << 2 | class), O L N S = 0..3; covers all code points."""
    code = {"L": 1, "N": 2, "S": 3}
    starts, at = [], 0
    for first, last, kind in rows("gpt2_classes.tsv"):
        first, last = int(first, 16), int(last, 16)
        assert first >= at
        if first > at:
            starts.append(at << 2)
        starts.append(first << 2 | code[kind])
        at = last + 1
    return starts + ([at << 2] if at <= 0x10FFFF else [])


def main():
    starts = classes()
    ccc = [(int(a, 16), int(b, 16), int(c)) for a, b, c in rows("nfc_ccc.tsv")]
    decomp = sorted((int(c, 16), *[int(x, 16) for x in to.split()]) for c, to in rows("nfc_decomp.tsv"))
    decomp = [d if len(d) == 3 else (*d, 0) for d in decomp]
    place = {d[0]: i for i, d in enumerate(decomp)}
    compose = sorted((int(a, 16), int(b, 16), int(c, 16)) for a, b, c in rows("nfc_compose.tsv"))
    assert all(decomp[place[c]][1:] == (a, b) for a, b, c in compose)

    one = NOTE.format(name="unicode_tables.c") + (
        "const uint32_t unicode_class_start[] = {\n" + wrapped(f"{s:#x}" for s in starts) + "};\n"
        f"const size_t unicode_n_class_starts = {len(starts)};\n\n"
        "const struct unicode_ccc unicode_ccc[] = {\n"
        + wrapped(f"{{{a:#x}, {b:#x}, {c}}}" for a, b, c in ccc) + "};\n"
        f"const size_t unicode_n_ccc = {len(ccc)};\n")
    two = NOTE.format(name="unicode_tables_nfc.c") + (
        "/* code point, its decomposition (second 0: one code point); sorted */\n"
        "const uint32_t unicode_decomp[][3] = {\n"
        + wrapped("{%d,%d,%d}" % d for d in decomp) + "};\n"
        f"const size_t unicode_n_decomp = {len(decomp)};\n\n"
        "/* rows of unicode_decomp that compose again, by (first, second) */\n"
        "const uint16_t unicode_compose[] = {\n" + wrapped(str(place[c]) for _, _, c in compose) + "};\n"
        f"const size_t unicode_n_compose = {len(compose)};\n")
    status = 0
    for name, text in (("unicode_tables.c", one), ("unicode_tables_nfc.c", two)):
        path = root / "worker" / "data" / name
        if "--check" not in sys.argv:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            print(f"{path.relative_to(root)} is not what scripts/unicode-tables.py makes")
            status = 1
    return status


sys.exit(main())

"""The tokeniser against Hugging Face's: random Unicode, code, white space, whole files, smaller vocabularies."""
import gzip
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
try:
    from tokenizers import Tokenizer
except ImportError as why:
    print(f"skipped: {why}")
    sys.exit(77)
from peer import BIN

SOURCE = pathlib.Path(os.environ["SAEGRID_SOURCE"])
FILE = SOURCE / "sweeps/data/tokenizer/20B_tokenizer.json.gz"


def run(data, *more):
    return subprocess.run([BIN / "saegrid-runner", "tokenize", "--tokenizer", FILE, *more],
                          input=data, capture_output=True, check=True).stdout


def compare(peer, text, label, *more):
    out = run(text.encode(), *more)
    got, want = [int(x) for x in out.split()], peer.encode(text).ids
    if got != want:
        at = next(i for i, (a, b) in enumerate(zip(got + [-1], want + [-1])) if a != b)
        raise SystemExit(f"{label}: id {at}: {got[at:at+5]} instead of {want[at:at+5]}: "
                         f"{peer.decode(want[max(0, at-5):at+5])!r}")
    back = run(out, *more, "--decode").decode()
    assert back == peer.decode(want, skip_special_tokens=False), label
    return len(want)


def texts(r):
    """(label, text): every kind of place where tokenisers differ."""
    code_points = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    scripts = [(0x20, 0x7F), (0xA0, 0x250), (0x300, 0x370), (0x370, 0x530), (0x590, 0x700), (0x900, 0xE00),
               (0x1100, 0x1200), (0x1E00, 0x2000), (0x2000, 0x2070), (0x2E80, 0x3100), (0xAC00, 0xB000),
               (0xF900, 0xFB50), (0x1D100, 0x1D200), (0x1F300, 0x1F700), (0x2F800, 0x2FA20)]
    for i in range(6):
        yield f"all code points {i}", "".join(chr(r.choice(code_points)) for _ in range(30000))
    for i in range(12):
        yield f"scripts {i}", "".join(chr(r.randrange(*r.choice(scripts))) for _ in range(30000))
    marks = [chr(c) for c in range(0x300, 0x360)] + list("aeiouAEIOU \u05d0\u05b7\u0915\u093c\u1100\u1161\u11a8\uac00")
    for i in range(4):
        yield f"marks {i}", "".join(r.choice(marks) for _ in range(20000))
    white = [" ", " ", " ", "\n", "\t", "\r", "\u00a0", "\u3000", "\u2028", "\x0b", "x", "1", ".", "'s", "'"]
    for i in range(8):
        yield f"white {i}", "".join(r.choice(white) * r.choice([1, 1, 2, 3, 30]) for _ in range(8000))
    word = ["if", "(", ")", "{", "}", "    ", "\n", "\t", "return", "x_1", "==", "0x1F", "//", "don't", "we'll",
            "I'VE", "'re", "<|endoftext|>", "<|padding|>", "<|", "|>", "\"", "\\n", ";", "42", "3.14", "\r\n"]
    for i in range(8):
        yield f"code {i}", "".join(r.choice(word) + r.choice(["", " ", "  "]) for _ in range(8000))


def small_vocabulary(n):
    """The rule of worker/data/bpe.h, as a tokenizers file."""
    spec = json.loads(gzip.decompress(FILE.read_bytes()))
    model = spec["model"]
    n_total = 1 + max(max(model["vocab"].values()), max(t["id"] for t in spec["added_tokens"]))
    merges = model["merges"]
    kept, dropped = merges[:len(merges) - (n_total - n)], merges[len(merges) - (n_total - n):]
    gone = {"".join(m.split(" ")) for m in dropped} - {"".join(m.split(" ")) for m in kept}
    left = {t: i for t, i in model["vocab"].items() if t not in gone}
    left.update({t["content"]: t["id"] for t in spec["added_tokens"]})
    new = {t: i for i, (t, _) in enumerate(sorted(left.items(), key=lambda p: p[1]))}
    assert len(new) == n
    model["vocab"] = {t: new[t] for t in left if t in model["vocab"]}
    model["merges"] = kept
    for t in spec["added_tokens"]:
        t["id"] = new[t["content"]]
    return json.dumps(spec)


with tempfile.TemporaryDirectory() as tmp:
    full = pathlib.Path(tmp, "full.json")
    full.write_bytes(gzip.decompress(FILE.read_bytes()))
    peer = Tokenizer.from_file(str(full))
    n = sum(compare(peer, text, label) for label, text in texts(random.Random(1)))
    print(f"random texts: {n} ids equal")
    for n_vocab in (268, 1000, 4096, 20000):
        small = pathlib.Path(tmp, "small.json")
        small.write_text(small_vocabulary(n_vocab))
        peer_small = Tokenizer.from_file(str(small))
        n = sum(compare(peer_small, text, f"{n_vocab}: {label}", "--vocab", str(n_vocab))
                for label, text in list(texts(random.Random(2)))[::5])
        print(f"vocabulary of {n_vocab}: {n} ids equal")

"""lm_eval and lm_pairs against transformers and tokenizers: the same text, the same model, other code."""
import gzip
import json
import math
import os
import pathlib
import random
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
try:
    import torch
    from tokenizers import Tokenizer
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM
except ImportError as why:
    print(f"skipped: {why}")
    sys.exit(77)
from peer import run_job

SOURCE = pathlib.Path(os.environ["SAEGRID_SOURCE"])
NEOX = SOURCE / "sweeps/data/tokenizer/20B_tokenizer.json.gz"
BLIMP = SOURCE / "sweeps/data/blimp"
WINDOW, N_PAIRS = 64, 1


def job(n):
    return "%064d" % n


def logprobs(model, ids):
    """log p of ids[1:] behind what is before each."""
    with torch.no_grad():
        logits = model(torch.tensor([ids[:-1]])).logits[0].double()
    return torch.log_softmax(logits, -1)[torch.arange(len(ids) - 1), torch.tensor(ids[1:])]


def rolling(model, ids):
    """lm-evaluation-harness: get_rolling_token_windows(prefix 0, context_len 1), make_disjoint_window."""
    total, done = 0.0, 0
    while done < len(ids):
        n = min(WINDOW, len(ids) - done)
        end = done + n
        fed = [0] + ids[:end] if done == 0 else ids[end - WINDOW - 1:end]
        total -= float(logprobs(model, fed)[-n:].sum())
        done = end
    return total


def blocks(model, ids):
    parts = [ids[i:i + WINDOW] for i in range(0, len(ids), WINDOW)]
    return -sum(float(logprobs(model, p).sum()) for p in parts if len(p) > 1), sum(len(p) - 1 for p in parts)


def metrics(folder):
    return json.loads((folder / "result.json").read_text())["metrics"]


def close(label, got, want, tolerance):
    assert abs(got - want) <= tolerance * max(1, abs(want)), f"{label}: {got} instead of {want}"


def check_text(root, model, tok, text):
    ids = [tok.encode(t).ids for t in text]
    n_bytes, n_words = sum(len(t.encode()) for t in text), sum(len(t.split()) for t in text)
    inputs = [("model", job(1), "model"), ("data", job(2), "data")]
    got = metrics(run_job(root, "rolling", "lm_eval", {"window": WINDOW, "n_samples": 0}, inputs, job(3)))
    nll = sum(rolling(model, x) for x in ids)
    close("n_scored", got["n_scored"], sum(map(len, ids)), 0)
    close("nll", got["nll"], nll / sum(map(len, ids)), 1e-5)
    close("bpb", got["bpb"], nll / math.log(2) / n_bytes, 1e-5)
    close("word_ppl", math.log(got["word_ppl"]), nll / n_words, 1e-5)
    got = metrics(run_job(root, "block", "lm_eval", {"window": WINDOW, "n_samples": 0, "protocol": "block"},
                          inputs, job(4)))
    nll, n = blocks(model, ids[0] + [0] + ids[1])
    close("blocks scored", got["n_scored"], n, 0)
    close("blocks", got["nll"], nll / n, 1e-5)
    print(f"text: {sum(map(len, ids))} ids, NLL {got['nll']:.5f}")


def harness(model, path):
    """lm-evaluation-harness' own model, if it is installed."""
    os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1")
    try:
        from lm_eval.models.huggingface import HFLM
    except Exception as why:  # its own imports fail in many ways
        print(f"lm-evaluation-harness cannot be imported, its part is left out: {why}")
        return None
    from transformers import PreTrainedTokenizerFast
    tok = PreTrainedTokenizerFast(tokenizer_file=str(path), eos_token="<|endoftext|>")
    return HFLM(pretrained=model, tokenizer=tok, max_length=WINDOW, batch_size=1, device="cpu")


def asked(lm, kind, arguments):
    from lm_eval.api.instance import Instance
    return getattr(lm, kind)([Instance(request_type=kind, doc={}, arguments=a, idx=i)
                              for i, a in enumerate(arguments)])


def check_harness(root, lm, text):
    """The numbers of check_text and check_pairs, from the harness itself."""
    got = metrics(root / "rolling")
    nll = -sum(asked(lm, "loglikelihood_rolling", [(t,) for t in text]))
    close("harness, rolling", got["nll"] * got["n_scored"], nll, 1e-5)
    rows = [r.split(",") for r in (root / "pairs_v0.4/pairs.csv").read_text().splitlines()[2:]]
    sentences = {}
    for path in sorted(BLIMP.glob("*.gz")):
        for line in gzip.open(path).read().decode().splitlines()[:N_PAIRS]:
            row = json.loads(line)
            sentences[row["UID"], row["pairID"]] = row["sentence_good"], row["sentence_bad"]
    wanted = asked(lm, "loglikelihood", [("", " " + x) for uid, pair, *_ in rows for x in sentences[uid, pair]])
    for i, (uid, pair, good, bad) in enumerate(rows):
        close(f"harness, {uid} {pair}", float(good), wanted[2 * i][0], 1e-5)
        close(f"harness, {uid} {pair}", float(bad), wanted[2 * i + 1][0], 1e-5)
    print(f"harness: {len(text)} texts, {len(rows)} pairs")


def check_pairs(root, model, tok, mode):
    """Accuracy as the harness has it, on the first pairs of each paradigm."""
    folder = run_job(root, "pairs_" + mode, "lm_pairs",
                     {"path": str(BLIMP), "max_pairs": N_PAIRS, "mode": mode, "tokenizer": str(NEOX)},
                     [("model", job(1), "model")], job(5))
    rows = [r.split(",") for r in (folder / "pairs.csv").read_text().splitlines()[2:]]
    got = {(uid, pair): (float(good), float(bad)) for uid, pair, good, bad in rows}
    accuracies = []
    for path in sorted(BLIMP.glob("*.gz")):
        right = 0
        for line in gzip.open(path).read().decode().splitlines()[:N_PAIRS]:
            row = json.loads(line)
            lead = "" if mode == "legacy" else " "
            want = [float(logprobs(model, [0] + tok.encode(lead + row[k]).ids).sum())
                    for k in ("sentence_good", "sentence_bad")]
            mine = got[row["UID"], row["pairID"]]
            close(f"{row['UID']} {row['pairID']}", mine[0], want[0], 1e-5)
            close(f"{row['UID']} {row['pairID']}", mine[1], want[1], 1e-5)
            right += mine[0] > mine[1] or (mode == "v0.4" and mine[0] == mine[1])
        accuracies.append(right / N_PAIRS)
    close("accuracy", metrics(folder)["pair_acc"], sum(accuracies) / len(accuracies), 1e-12)
    print(f"pairs, {mode}: {len(rows)} of {len(accuracies)} paradigms")


with tempfile.TemporaryDirectory() as tmp:
    root = pathlib.Path(tmp)
    torch.manual_seed(0)
    config = GPTNeoXConfig(vocab_size=50304, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
                           intermediate_size=64, max_position_embeddings=128, initializer_range=0.3,
                           bos_token_id=0, eos_token_id=0)
    model = GPTNeoXForCausalLM(config).eval()
    model.save_pretrained(root / "hf")
    (root / "tok.json").write_bytes(gzip.decompress(NEOX.read_bytes()))
    tok = Tokenizer.from_file(str(root / "tok.json"))
    r = random.Random(1)
    book = gzip.open(SOURCE / "sweeps/data/text/valid/time_machine.txt.gz").read().decode()
    text = [book[:3000], " ".join(r.choice(["caf\u00e9", "e\u0301", "  ", "42", "\u201cso\u201d", "\n"]) for _ in range(200))]
    (root / "text/valid").mkdir(parents=True)
    for i, t in enumerate(text):
        (root / f"text/valid/{i}.txt").write_text(t)
    (root / "text/train").mkdir()
    (root / "text/train/a.txt").write_text("x")
    run_job(root, "model", "lm_import", {"path": str(root / "hf")}, [], job(1))
    run_job(root, "data", "data_make", {"task": "text", "text": str(root / "text"), "tokenizer": str(NEOX)}, [], job(2))
    check_text(root, model, tok, text)
    for mode in ("legacy", "v0.4"):
        check_pairs(root, model, tok, mode)
    lm = harness(model, root / "tok.json")
    if lm:
        check_harness(root, lm, text)

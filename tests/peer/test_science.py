"""Every number of a sweep again, from its files, by numpy, scipy and torch.

usage: test_science.py [RESULTS...]   checks every job of these folders' manifests; without one, of
a small sweep that it runs itself with $SAEGRID_BIN/saegrid.
"""
import math
import os
import pathlib
import sqlite3
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import torch
    import torch.nn.functional as F
    from scipy import integrate, optimize, special, stats
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

SWEEP = """
sweep: science
stages:
  model: {kind: lm_train, modulus: 13, n_layers: 2, d_model: 16, n_heads: 2, d_mlp: 32, batch: 64, epochs: 5}
  leaky: {kind: lm_train, task: modadd_husai, act: gelu, modulus: 13, n_layers: 1, d_model: 16, n_heads: 2, d_mlp: 32, batch: 64, epochs: 3}
  acts: {kind: acts_extract, model: $model, grid: {hook: [resid_pre, resid_post, mlp_out, attn_out], layer: [0, 1]}}
  leaky_acts: {kind: acts_extract, model: $leaky, layer: 0, position: answer}
  sae:
    kind: sae_train
    acts: '$acts{hook: resid_post, layer: 1}'
    d_sae: 40
    k: 4
    steps: 300
    batch: 64
    lr: 1e-3
    grid: {arch: [topk, topk_husai, relu, linear], seed: [1, 2, 3, 4, 5]}
  random: {kind: sae_random, like: $sae}
  stability: {kind: sae_compare, saes: $sae, baseline: $random, over: [seed], subspace_k: 6}
"""

TOLERANCE = {"float": 2e-5, "double": 1e-9}
worst = {}      # quantity -> (largest relative difference, where)
failures = []


def compare(quantity, where, ours, theirs, tolerance):
    off = abs(ours - theirs) / max(1.0, abs(theirs))
    if not off <= worst.get(quantity, (-1, ""))[0]:
        worst[quantity] = (off, where)
    if not off <= tolerance:
        failures.append(f"{quantity} of {where}: {ours!r}, expected {theirs!r}")


def load(path):
    return torch.load(path, weights_only=True)


def unit_rows(path):
    w = load(path)["decoder.weight"].T.double().numpy()
    return w / np.linalg.norm(w, axis=1, keepdims=True)


# --- one job of each kind, again ----------------------------------------------------------------

def residuals(model, tokens):
    """Every hook of every layer: {(hook, layer): [n, position, d]}, and the logits."""
    c = {k[len("config."):]: v for k, v in model.items() if k.startswith("config.")}
    m = {k: v.double() for k, v in model.items() if isinstance(v, torch.Tensor)}
    act = F.relu if c["act_fn"] == "relu" else F.gelu
    n_pos, out = tokens.shape[1], {}
    masked = torch.triu(torch.ones(n_pos, n_pos, dtype=torch.bool), 1)
    norm = lambda x, at: F.layer_norm(x, (c["d_model"],), m[at + ".w"], m[at + ".b"], c["eps"])
    x = m["embed.W_E"][tokens] + m["pos_embed.W_pos"][:n_pos]
    for layer in range(c["n_layers"]):
        b = f"blocks.{layer}."
        out["resid_pre", layer] = x
        h = norm(x, b + "ln1")
        q, k, v = (torch.einsum("npd,hde->nhpe", h, m[f"{b}attn.W_{i}"]) + m[f"{b}attn.b_{i}"][:, None]
                   for i in "QKV")
        a = (q @ k.transpose(-1, -2) / math.sqrt(c["d_head"])).masked_fill(masked, -math.inf).softmax(-1)
        attn = torch.einsum("nhpe,hed->npd", a @ v, m[b + "attn.W_O"]) + m[b + "attn.b_O"]
        x = x + attn
        mlp = act(norm(x, b + "ln2") @ m[b + "mlp.W_in"] + m[b + "mlp.b_in"]) @ m[b + "mlp.W_out"] + m[b + "mlp.b_out"]
        x = x + mlp
        out["attn_out", layer], out["mlp_out", layer], out["resid_post", layer] = attn, mlp, x
    return out, norm(x, "ln_final") @ m["unembed.W_U"] + m["unembed.b_U"]


def table(task, p):
    a, b = (t.flatten() for t in torch.meshgrid(torch.arange(p), torch.arange(p), indexing="ij"))
    full = lambda token: torch.full_like(a, token)
    c = (a + b) % p
    row = [full(p), a, full(p + 3), b, full(p + 2)]
    return torch.stack(row + [c, full(p + 1)] if task == "modadd_husai" else row, 1), c


def check_acts(job):
    model = load(job.input("model") / "checkpoints/model.pt")
    task = model["config.task"]
    if task not in ("modadd", "modadd_husai") or job["position"] != "answer" or job["data_fraction"] != 1:
        return
    tokens, c = table(task, model["config.modulus"])
    at = 5 if task == "modadd_husai" else 4
    hooks, logits = residuals(model, tokens)
    ours = load(job.folder / "acts.pt").double()
    theirs = hooks[job["hook"], job["layer"]][:, at]
    compare("activations", job.name, float((ours - theirs).abs().max()), 0.0, 1e-4)
    print(f"{job.name}: accuracy over the whole table {float((logits[:, at, :].argmax(-1) == c).double().mean()):.4f}")
    # No leak: what stands after the answer's place, the answer itself above all, changes nothing
    # before it; and the correct task does not even show it.
    longer = torch.cat([tokens[:, :5], (c[:, None] + 1) % model["config.modulus"]], 1)
    if model["pos_embed.W_pos"].shape[0] >= 6:
        for key, value in residuals(model, longer)[0].items():
            compare("leak into =", job.name, float((value[:, 4] - hooks[key][:, 4]).abs().max()), 0.0, 1e-12)
    else:
        assert tokens.shape[1] == 5, "c is not among the tokens"


def encode(sae, x):
    w = {k: v.double() for k, v in sae.items() if isinstance(v, torch.Tensor)}
    arch = sae["arch"]
    z = (x - w["b_dec"] if arch in ("topk", "linear") else x) @ w["encoder.weight"].T + w["encoder.bias"]
    if arch in ("topk", "relu"):
        z = z.clamp(min=0)
    if arch in ("topk", "topk_husai"):
        top = z.topk(sae["k"], -1)
        z = torch.zeros_like(z).scatter(-1, top.indices, top.values)
    y = z @ w["decoder.weight"].T
    return z, y + w["b_dec"] if "b_dec" in w else y


def check_sae(job):
    sae = load(job.folder / "checkpoints/sae.pt")
    x = load(job.input("acts") / "acts.pt").double()
    if sae["arch"] not in ("topk", "topk_husai", "relu", "linear"):
        return
    a, y = encode(sae, x)
    e, centred = x - y, x - x.mean(0)
    sse, sst, active = (e ** 2).sum(), (centred ** 2).sum(), (a != 0).double().mean(0)
    s = np.linalg.svd(centred.numpy(), compute_uv=False)
    entropy_rank = lambda v: math.exp(-sum(q * math.log(q) for q in v / v.sum() if q > 1e-10))
    theirs = {
        "ev": 1 - sse / sst, "mse": sse / x.numel(), "mse_sum": sse / len(x), "nmse_raw": sse / (x ** 2).sum(),
        "ev_residvar": 1 - e.var(0).sum() / x.var(0).sum(), "ev_husai_global": 1 - e.var() / x.var(),
        "ev_legacy": (1 - (e ** 2).sum(1) / (centred ** 2).sum(1)).mean(),
        "cosine": F.cosine_similarity(x, y, -1).mean(), "l2_ratio": (y.norm(dim=1) / x.norm(dim=1)).mean(),
        "rel_bias": (y ** 2).sum() / (x * y).sum(), "l0": active.sum(), "l1_done": a.abs().sum(1).mean(),
        "dead_pct": 100 * (active == 0).double().mean(), "dense_pct": 100 * (active > 0.1).double().mean(),
        "freq_min": active.min(), "freq_mean": active.mean(), "freq_max": active.max(),
        "freq_median": float(np.median(active.numpy())),
    }
    for name, value in theirs.items():
        # A pre-activation within rounding of its neighbour may fall either way.
        is_count = name in ("l0", "dead_pct", "dense_pct") or name.startswith("freq")
        compare(name, job.name, job.metric(name), float(value), 2e-3 if is_count else TOLERANCE["float"])
    for name, value in {"erank": entropy_rank(s), "erank_sq": entropy_rank(s ** 2),
                        "participation": (s ** 2).sum() ** 2 / (s ** 4).sum()}.items():
        compare(name, job.name, job.metric(name), value, 1e-5)
    d = unit_rows(job.folder / "checkpoints/sae.pt")
    c = np.abs(d @ d.T)
    np.fill_diagonal(c, 0)
    compare("dup_cos_max", job.name, job.metric("dup_cos_max"), c.max(), TOLERANCE["float"])


def pair(a, b, k):
    c = a @ b.T
    rows, columns = optimize.linear_sum_assignment(-c)
    rows_abs, columns_abs = optimize.linear_sum_assignment(-np.abs(c))
    u = [np.linalg.svd(m.T, full_matrices=False)[0][:, :k] for m in (a, b)]
    cos = np.clip(np.linalg.svd(u[0].T @ u[1], compute_uv=False), 0, 1)
    return {"pwmcc": (np.abs(c).max(1).mean() + np.abs(c).max(0).mean()) / 2,
            "mmcs": (c.max(1).mean() + c.max(0).mean()) / 2,
            "hungarian": c[rows, columns].mean(), "hungarian_abs": np.abs(c)[rows_abs, columns_abs].mean(),
            "subspace": (cos ** 2).mean(), "grassmann": np.linalg.norm(np.arccos(cos))}


def all_pairs(dicts, k):
    return [pair(a, b, k) for i, a in enumerate(dicts) for b in dicts[i + 1:]]


def chance(d, f):
    return integrate.quad(lambda t: 1 - special.betainc(0.5, (d - 1) / 2, t * t) ** f, 0, 1,
                          epsabs=1e-12, limit=200)[0]


def means(x, seed, n_boot):
    rng = np.random.default_rng(seed)
    return np.array([x[rng.integers(0, len(x), len(x))].mean() for _ in range(n_boot)])


def check_compare(job):
    dicts = [unit_rows(f / "checkpoints/sae.pt") for f in job.inputs("saes")]
    k = min(job["subspace_k"], *dicts[0].shape)
    pairs = all_pairs(dicts, k)
    columns = {name: np.array([p[name] for p in pairs]) for name in pairs[0]}
    for name in columns:
        if not name.startswith("hungarian") or job["hungarian"]:
            compare(name + " mean", job.name, job.metric(name + "_mean"), columns[name].mean(), TOLERANCE["float"])
    t = np.array(job.pairs())            # the statistics are checked on the pairs as recorded
    compare("pwmcc of a pair", job.name, float(np.abs(t - columns["pwmcc"]).max()), 0.0, TOLERANCE["float"])
    (f, d), n_boot = dicts[0].shape, job["n_boot"]
    theirs = {"n_seeds": len(dicts), "n_pairs": len(t), "pwmcc_mean": t.mean(), "random_expected": chance(d, f),
              "ratio_expected": t.mean() / chance(d, f)}
    if len(t) > 1:
        theirs["pwmcc_std"] = t.std(ddof=1)
        boot = means(t, job["boot_seed"], n_boot)
        theirs["ci_low"], theirs["ci_high"] = np.percentile(boot, [2.5, 97.5])
    baseline = [unit_rows(f / "checkpoints/sae.pt") for f in job.inputs("baseline")]
    if len(baseline) > 2 and len(t) > 1:
        r = np.array([p["pwmcc"] for p in all_pairs(baseline, 1)])
        boot_r = means(r, job["boot_seed_random"], n_boot)
        pooled = math.sqrt(((len(t) - 1) * t.var(ddof=1) + (len(r) - 1) * r.var(ddof=1)) / (len(t) + len(r) - 2))
        test = stats.mannwhitneyu(t, r, alternative="greater")
        low, high = np.percentile(boot_r, [2.5, 97.5])
        theirs |= {"random_mean": r.mean(), "random_std": r.std(ddof=1), "ratio": t.mean() / r.mean(),
                   "delta": t.mean() - r.mean(), "random_ci_low": low, "random_ci_high": high,
                   "delta_lcb": theirs["ci_low"] - high, "mwu": test.statistic, "p_value": test.pvalue,
                   "cohens_d": (t.mean() - r.mean()) / pooled}
        theirs["ratio_ci_low"], theirs["ratio_ci_high"] = np.percentile(boot / boot_r, [2.5, 97.5])
    against_random = ("random_mean", "random_std", "random_ci_low", "random_ci_high", "ratio", "delta",
                      "delta_lcb", "ratio_ci_low", "ratio_ci_high")   # r is ours, in double
    for name, value in theirs.items():
        tolerance = 1e-4 if name == "cohens_d" else TOLERANCE["float" if name in against_random else "double"]
        compare(name, job.name, job.metric(name), float(value), tolerance)


# --- the manifest --------------------------------------------------------------------------------

class Job:
    def __init__(self, db, root, row):
        self.db, self.root, self.row = db, root, row
        self.kind, self.id = row["kind"], row["job"]
        self.name, self.folder = row["run_id"], root / "experiments" / row["sweep"] / row["run_id"]

    def __getitem__(self, knob):
        return self.row[knob]

    def metric(self, name):
        value = self.row[name]
        return math.nan if value is None else value

    def inputs(self, name):
        rows = self.db.execute(
            "SELECT i.name, p.run_id, p.sweep FROM job_input i JOIN job j ON j.id = i.job"
            " JOIN job k ON k.id = i.input JOIN runs p ON p.job = lower(hex(k.digest))"
            " WHERE lower(hex(j.digest)) = ? AND i.name = ? ORDER BY i.pos, i.ord", (self.id, name))
        return [self.root / "experiments" / r["sweep"] / r["run_id"] for r in rows]

    def input(self, name):
        return self.inputs(name)[0]

    def pairs(self):
        return [r[0] for r in self.db.execute("SELECT pwmcc FROM pairs WHERE job = ? ORDER BY seed_a, seed_b", (self.id,))]


def check_manifest(root):
    db = sqlite3.connect(f"file:{root}/manifest.sqlite?mode=ro", uri=True)
    db.row_factory = sqlite3.Row
    checks = {"acts_extract": check_acts, "sae_train": check_sae, "sae_compare": check_compare}
    n = 0
    for row in db.execute("SELECT * FROM runs WHERE state = 'done'").fetchall():
        job = Job(db, root, row)
        if row["kind"] in checks and (job.folder / "metrics.json").exists():
            checks[row["kind"]](job)
            n += 1
    for sweep in db.execute("SELECT DISTINCT sweep FROM runs").fetchall():
        seeds = lambda kind: {r[0] for r in db.execute(
            "SELECT seed FROM runs WHERE sweep = ? AND kind = ?", (sweep[0], kind))}
        if seeds("sae_random") and seeds("sae_train"):
            odd = seeds("sae_random") - {s + 100000 for s in seeds("sae_train")}
            if odd and sweep[0] == "science":
                failures.append(f"{sweep[0]}: controls of seeds {odd}")
    assert n, f"{root}: no job to check"
    print(f"{root}: {n} jobs")


if sys.argv[1:]:
    for folder in sys.argv[1:]:
        check_manifest(pathlib.Path(folder))
else:
    with tempfile.TemporaryDirectory() as tmp:
        spec = pathlib.Path(tmp, "science.yaml")
        spec.write_text(SWEEP)
        program = pathlib.Path(os.environ["SAEGRID_BIN"], "saegrid")
        subprocess.run([program, "run", spec, "-j", "2", "--results", f"{tmp}/results"], check=True)
        check_manifest(pathlib.Path(tmp, "results"))

for quantity, (off, where) in sorted(worst.items(), key=lambda item: -item[1][0]):
    print(f"{quantity:20} {off:9.2e}  {where}")
for failure in failures:
    print("FAILED:", failure)
sys.exit(bool(failures))

"""Loss curves of every architecture against an independent PyTorch implementation.

usage: SAEGRID_BIN=build/release/bin python3 tests/peer/test_archs_torch.py [NAME...]
The runner trains 200 steps from weights that it saves at step 0, with the whole data set as one batch;
PyTorch starts from the same weights, in float64, with autograd and torch.optim.Adam.  Every step's
loss must agree to 1e-4.  The curves agree to 1e-6 until a near-tie is selected differently in float32
and float64, after which they are two trainings; seeds are of runs without one.  With the runner of
build/real64, in double, there are none, and 1e-9 is asked for.
"""
import csv
import json
import os
import pathlib
import subprocess
import sys
import tempfile

try:
    import torch
    from scipy.optimize import linear_sum_assignment
except ImportError as why:
    print(f"skipped: {why}")
    sys.exit(77)

N, D, F, K, STEPS, LR = 256, 16, 48, 4, 200, 1e-3
BASE = {"d_sae": F, "k": K, "steps": STEPS, "batch": N, "lr": LR, "checkpoints_at": "0"}
AUX = {"aux": "auxk", "dead_rows": 3 * N, "k_aux": 3, "auxk_alpha": 0.25}
REFERENCE = "%064d" % 99
RULE = {"bias_rule": "gba", "bias_groups": 1, "bias_every": 20, "bias_gamma": 0.05, "bias_high": 0.1}
CASES = {
    "topk": {"seed": 1},
    "topk+auxk": AUX,
    "topk+clip": {"clip": 0.3, "warmup": 50, "decay": 0.3},
    "topk+aligned": {"aligned": True},
    "topk+wrong_axis": {"decoder_norm": "wrong_axis"},
    "topk_husai": {},
    "batchtopk": {},
    "batchtopk+auxk": AUX,
    "matryoshka": {"prefixes": "6,16,48", "prefix_loss": "mean"},
    "matryoshka+bias": {"prefixes": "6,16,48", "prefix_loss": "mean_with_bias"},
    "matryoshka+husai": {"prefixes": "6,16,48", "prefix_loss": "husai_0.2"},
    "jsae": {"jacobian": 0.5, "seed": 2},
    "relu": {"l1": 0.01},
    "relu_bricken": {"l1": 0.05, "l1_warmup": 100},
    "relu_april": {"l1": 0.05},
    "jumprelu": {"l1": 0.02, "bandwidth": 0.3, "theta": 0.1},
    "jumprelu+target": {"l1": 0.1, "bandwidth": 0.3, "theta": 0.1, "target_l0": 6},
    "jumprelu+tanh": {"l1": 0.02, "bandwidth": 0.3, "theta": 0.1, "jump_loss": "tanh",
                      "decoder_norm": "none", "dead_pull": 0.01, "dead_rows": 2 * N},
    "gated": {"l1": 0.05},
    "gba": {"bias_rule": "none"},
    "gba+rule": RULE,
    "topk+rule": RULE,
    "topk+max_cosine": {"consistency": "max_cosine", "consistency_lambda": 2.0},
    "topk+assignment": {"consistency": "assignment", "consistency_lambda": 2.0, "consistency_every": 4},
    "topk+mutual": {"seed": 1, "consistency": "mutual", "consistency_lambda": 2.0},
    "topk+none": {"decoder_norm": "none"},
    "topk+renorm": {"seed": 1, "decoder_norm": "renorm"},
    "transcoder": {},
    "skip_transcoder": {"seed": 1},
    "relu_transcoder": {"l1": 0.05},
    "relu_skip_transcoder": {"l1": 0.05},
    "jumprelu_transcoder": {"seed": 3, "l1": 0.02, "bandwidth": 0.3, "theta": 0.1},
    "jumprelu_skip_transcoder": {"l1": 0.02, "seed": 2, "bandwidth": 0.3, "theta": 0.1},
    "linear": {"b_dec_init": "zero"}, # started at the mean its biases have no gradient but rounding
}
PAIRS = {
    "jsae_pair": {"jacobian": 1.0, "seed": 2},
    "jsae_pair+relu": {"jacobian": 1.0, "clip": 1.0, "l1_warmup": 100},
}


def run_job(root, name, kind, knobs, inputs, job):
    folder = pathlib.Path(root, name + ".tmp")
    folder.mkdir()
    (folder / "job.json").write_text(json.dumps({
        "job": job, "kind": kind, "run_id": name, "sweep": "peer", "stage": name, "epoch": 1,
        "knobs": knobs, "common": {}, "context": {}, "inputs": inputs, "results": str(root)}))
    runner = pathlib.Path(os.environ["SAEGRID_BIN"], "saegrid-runner")
    subprocess.run([runner, "run", folder], check=True)


class Step(torch.autograd.Function):
    """[z > theta]; to theta the rectangle of width eps, to z nothing."""

    @staticmethod
    def forward(ctx, z, theta, eps):
        ctx.save_for_backward(z, theta)
        ctx.eps = eps
        return (z > theta).to(z.dtype)

    @staticmethod
    def backward(ctx, g):
        z, theta = ctx.saved_tensors
        near = ((z - theta).abs() < ctx.eps / 2).to(z.dtype)
        return None, -(near * g / ctx.eps).sum(0), None


class Jump(torch.autograd.Function):
    """z [z > theta]; to theta -(theta/eps) K."""

    @staticmethod
    def forward(ctx, z, theta, eps):
        ctx.save_for_backward(z, theta)
        ctx.eps = eps
        return z * (z > theta)

    @staticmethod
    def backward(ctx, g):
        z, theta = ctx.saved_tensors
        near = ((z - theta).abs() < ctx.eps / 2).to(z.dtype)
        return g * (z > theta), -(theta * near * g / ctx.eps).sum(0), None


class Peer:
    def __init__(self, arch, knobs, state, data, reference=None):
        self.arch, self.knobs, self.x = arch, knobs, data
        self.centred = bool(state["is_centred"])
        t = {k: v.double() for k, v in state.items() if isinstance(v, torch.Tensor)}
        p = {"w": t["encoder.weight"], "b": t["encoder.bias"], "d": t["decoder.weight"].T.contiguous()}
        if "b_dec" in t:
            p["b_dec"] = t["b_dec"]
        if arch.startswith("jumprelu"):
            p["log_theta"] = t["threshold"].log()
        if arch == "gated":
            p["r"], p["b_mag"] = t["r_mag"], t["b_mag"]
        if "skip" in arch:
            p["skip"] = t["W_skip"]
        if arch == "gba":
            p["scale"] = torch.ones(F, dtype=torch.float64)
            p.pop("d")
        self.p = {k: v.clone().requires_grad_(not (k == "b" and arch == "gba")) for k, v in p.items()}
        self.opt = torch.optim.Adam([v for v in self.p.values() if v.requires_grad], lr=LR)
        self.norm = knobs.get("decoder_norm") or {
            "topk_husai": "renorm", "relu": "renorm", "relu_april": "none", "gba": "none",
            "relu_transcoder": "none", "relu_skip_transcoder": "none", "linear": "none"}.get(arch, "project")
        self.is_double = state["encoder.weight"].dtype == torch.float64
        self.ref = reference
        n = self.p["w"].shape[0]
        self.fired, self.n_seen = torch.zeros(n), 0
        self.peak = torch.zeros(n, dtype=torch.float64)
        self.quiet = torch.zeros(F, dtype=torch.int64)

    def norms(self):
        return self.dec().norm(dim=1)

    def dec(self):
        return self.p["scale"][:, None] * self.p["w"] if self.arch == "gba" else self.p["d"]

    def enc(self):
        w, d = self.p["w"], self.p.get("d")
        return w + (1 - (w * d).sum(1, keepdim=True)) * d if self.knobs.get("aligned") else w

    def error(self, y, target):
        e = ((y - target) ** 2)
        return e.mean() if self.arch in ("relu", "topk_husai") else e.sum(1).mean()

    def activations(self, z):
        arch, kn = self.arch, self.knobs
        r = torch.relu(z)
        if arch == "topk_husai":
            val, idx = z.topk(K, dim=1)
            return torch.zeros_like(z).scatter(1, idx, val)
        if arch in ("topk", "jsae", "jsae_pair", "transcoder", "skip_transcoder"):
            val, idx = r.topk(K, dim=1)
            return torch.zeros_like(z).scatter(1, idx, val)
        if arch in ("batchtopk", "matryoshka"):
            val, idx = r.flatten().topk(K * N)
            return torch.zeros_like(r.flatten()).scatter(0, idx, val).reshape(z.shape)
        if arch.startswith("jumprelu"):
            return Jump.apply(z, self.p["log_theta"].exp(), kn["bandwidth"])
        if arch == "gated":
            wu = z - self.p["b"]
            return (z > 0) * torch.relu(wu * self.p["r"].exp() + self.p["b_mag"])
        return z if arch == "linear" else r

    def loss(self, step):
        arch, kn, p = self.arch, self.knobs, self.p
        x, target = self.x
        b_dec = p.get("b_dec", torch.zeros(target.shape[1], dtype=torch.float64))
        z = (x - b_dec if self.centred else x) @ self.enc().T + p["b"]
        a, d = self.activations(z), self.dec()
        y = a @ d + b_dec + (x @ p["skip"].T if "skip" in arch else 0)
        loss = self.error(y, target)
        l1 = kn.get("l1", 0) * (min(1, (step + 1) / kn["l1_warmup"]) if "l1_warmup" in kn else 1)
        dead = self.quiet >= kn.get("dead_rows", 10**12)
        if arch == "matryoshka":
            errors = [self.error(a[:, :n] @ d[:n] + b_dec, target) for n in (6, 16, 48)]
            rule = kn["prefix_loss"]
            loss = (sum(errors) / 3 if rule == "mean"
                    else (sum(errors) + self.error(b_dec.expand_as(target), target)) / 4
                    if rule == "mean_with_bias" else errors[-1] + 0.2 * sum(errors) / 3)
        if arch in ("relu", "relu_bricken"):
            loss = loss + l1 * a.sum(1).mean()
        if arch in ("relu_april", "relu_transcoder", "relu_skip_transcoder"):
            loss = loss + l1 * (a * self.norms()).sum(1).mean()
        if arch.startswith("jumprelu"):
            theta = p["log_theta"].exp()
            l0 = Step.apply(z, theta, kn["bandwidth"]).sum(1).mean()
            if kn.get("jump_loss") == "tanh":
                loss = loss + l1 * torch.tanh(4 * a * self.norms()).sum(1).mean()
                pull = torch.relu(theta - z) * dead * self.norms()
                loss = loss + kn["dead_pull"] * pull.sum(1).mean()
            elif kn.get("target_l0"):
                loss = loss + l1 * (l0 / kn["target_l0"] - 1) ** 2
            else:
                loss = loss + l1 * l0
        if arch == "gated":
            pi = torch.relu(z)
            loss = loss + l1 * pi.sum(1).mean() + self.error(pi @ d.detach() + b_dec.detach(), target)
        if arch == "jsae":
            on = (a > 0).double()
            both = on.T @ on
            both.fill_diagonal_(0)
            loss = loss + kn["jacobian"] * (both * (p["w"] @ d.T).abs()).sum() / (N * K * (K - 1))
        if kn.get("aux") == "auxk" and dead.any():
            k = min(kn["k_aux"], int(dead.sum()))
            val, idx = (torch.relu(z) * dead).topk(k, dim=1)
            hat = torch.zeros_like(z).scatter(1, idx, val) @ d
            t = (target - y).detach()
            loss = loss + kn["auxk_alpha"] * ((t - hat) ** 2).sum() / ((t - t.mean(0)) ** 2).sum()
        if self.ref is not None:
            loss = loss + kn["consistency_lambda"] * self.inconsistency(step)
        return loss, a

    def inconsistency(self, step):
        c = (self.dec() / self.dec().norm(dim=1, keepdim=True)) @ self.ref.T
        if self.knobs["consistency"] == "max_cosine":
            return 1 - c.abs().max(1).values.mean()
        if self.knobs["consistency"] == "mutual":
            return 2 - c.abs().max(1).values.mean() - c.abs().max(0).values.mean()
        if step % self.knobs["consistency_every"] == 0:
            self.partner = linear_sum_assignment(1 - c.detach().abs().numpy())[1]
        return 1 - c[range(F), self.partner].abs().mean()

    def bias_rule(self, a, step):
        """Bias adaptation of arXiv:2506.14002 with one group: no random split to repeat here."""
        kn = self.knobs
        self.fired += (a != 0).sum(0)
        self.peak = torch.maximum(self.peak, a.max(0).values)
        self.n_seen += N
        if (step + 1) % kn["bias_every"]:
            return
        b = self.p["b"].data
        share, peak = self.fired / self.n_seen, self.peak
        rise = kn["bias_gamma"] * (peak[peak > 0].mean() if (peak > 0).any() else 0.0)
        down, up = share > kn["bias_high"], share < 1e-6
        b[down] = torch.clamp(b[down] - kn["bias_gamma"] * peak[down], min=-1)
        b[up] = torch.clamp(b[up] + rise, max=0)
        self.fired, self.peak, self.n_seen = self.fired * 0, self.peak * 0, 0

    def step(self, step):
        kn = self.knobs
        self.opt.zero_grad()
        loss, a = self.loss(step)
        loss.backward()
        with torch.no_grad():
            if self.norm == "project":
                g, d = self.p["d"].grad, self.p["d"]
                g -= (g * d).sum(1, keepdim=True) / (d * d).sum(1, keepdim=True) * d
            if "clip" in kn:
                torch.nn.utils.clip_grad_norm_([v for v in self.p.values() if v.grad is not None],
                                               kn["clip"])
        for group in self.opt.param_groups:
            warm = min(1, (step + 1) / kn["warmup"]) if "warmup" in kn else 1
            n_decay = kn.get("decay", 0) * STEPS
            group["lr"] = LR * warm * (min(1, (STEPS - step) / n_decay) if n_decay else 1)
        self.opt.step()
        with torch.no_grad():
            if self.norm in ("project", "renorm"):
                self.p["d"] /= self.p["d"].norm(dim=1, keepdim=True)
            if self.norm == "wrong_axis":
                self.p["d"] /= self.p["d"].norm(dim=0, keepdim=True)
            if kn.get("aligned"):
                self.p["w"].copy_(self.enc())
            if self.arch == "gba":
                self.p["w"] /= self.p["w"].norm(dim=1, keepdim=True)
            fired = (a != 0).any(0)
            self.quiet = torch.where(fired, 0, self.quiet + N)
            if "bias_rule" in kn and kn["bias_rule"] == "gba":
                self.bias_rule(a.detach(), step)
        return float(loss.detach())


class Pair:
    """Two TopK SAEs around an MLP; J by autograd's own product rule, entry by entry of the active sets."""

    def __init__(self, knobs, states, rows, mlp):
        self.knobs, self.mlp = knobs, mlp
        self.sae = [Peer("jsae_pair", knobs, s, (x, x)) for s, x in zip(states, rows)]
        self.is_double = self.sae[0].is_double
        x = rows[0].clone().requires_grad_(True)
        hidden = x @ mlp["w_in"] + mlp["b_in"]
        (self.slope,) = torch.autograd.grad(mlp["act"](hidden).sum(), hidden)

    def step(self, step):
        one, two = self.sae
        for s in self.sae:
            s.opt.zero_grad()
        (loss1, a1), (loss2, a2) = one.loss(step), two.loss(step)
        left = two.p["w"] @ self.mlp["w_out"].T                      # [F,h]
        right = one.p["d"] @ self.mlp["w_in"]                        # [F,h]
        j = torch.einsum("jh,nh,ih->nji", left, self.slope, right)
        active = (a2 > 0).double()[:, :, None] * (a1 > 0).double()[:, None, :]
        ramp = min(1, (step + 1) / self.knobs["l1_warmup"]) if "l1_warmup" in self.knobs else 1
        penalty = self.knobs["jacobian"] * ramp * (j.abs() * active).sum() / (len(self.slope) * K * K)
        loss = loss1 + loss2 + penalty
        loss.backward()
        with torch.no_grad():
            for s in self.sae:
                g, d = s.p["d"].grad, s.p["d"]
                g -= (g * d).sum(1, keepdim=True) / (d * d).sum(1, keepdim=True) * d
            if "clip" in self.knobs:
                torch.nn.utils.clip_grad_norm_([v for s in self.sae for v in s.p.values()], self.knobs["clip"])
        for s in self.sae:
            s.opt.step()
            with torch.no_grad():
                s.p["d"] /= s.p["d"].norm(dim=1, keepdim=True)
        return float(loss.detach())


def compare_pair(root, name, index):
    """A small trained model of its own; its rows at the MLP's input and output."""
    relu = name.endswith("relu")
    ids = ["%064d" % (100 + 10 * index + i) for i in range(3)]
    lm, rows, run = (f"{k}{index}" for k in ("lm", "rows", "pair"))
    run_job(root, lm, "lm_train", {"modulus": 11, "n_layers": 1, "d_model": D, "n_heads": 2, "d_mlp": 24,
                                   "act": "relu" if relu else "gelu", "batch": 64, "epochs": 5}, [], ids[0])
    model = {"name": "model", "job": ids[0], "path": lm}
    run_job(root, rows, "acts_extract", {"layer": 0, "hook": "ln2_normalized", "hook_out": "mlp_out"},
            [model], ids[1])
    knobs = {**PAIRS[name], "d_sae": 24}
    run_job(root, run, "sae_train", {**BASE, "arch": "jsae_pair", **knobs},
            [{"name": "acts", "job": ids[1], "path": rows}, model], ids[2])
    states = [torch.load(f"{root}/{run}/checkpoints/sae{o}_step0.pt", weights_only=True) for o in ("", "_out")]
    data = [torch.load(f"{root}/{rows}/acts{o}.pt", weights_only=True).double() for o in ("", "_out")]
    w = {k: v.double() for k, v in torch.load(f"{root}/{lm}/checkpoints/model.pt", weights_only=True).items()
         if isinstance(v, torch.Tensor)}
    block = lambda n: w["blocks.0." + n]
    mlp = {"w_in": block("ln2.w")[:, None] * block("mlp.W_in"), "w_out": block("mlp.W_out"),
           "b_in": block("mlp.b_in") + block("ln2.b") @ block("mlp.W_in"),
           "act": torch.relu if relu else torch.nn.functional.gelu}
    through = mlp["act"](data[0] @ mlp["w_in"] + mlp["b_in"]) @ mlp["w_out"] + block("mlp.b_out")
    assert float((through - data[1]).abs().max()) < 1e-5, "the rows are not those around the MLP"
    return curves_agree(root, run, name, Pair(knobs, states, data, mlp))


def compare(root, name, index, data):
    arch, knobs = name.split("+")[0], CASES[name]
    ids = ["%064d" % i for i in (1, 2)]
    inputs = [{"name": "acts", "job": ids[0], "path": "data"}]
    run = f"run{index}"
    if arch.endswith("transcoder"):
        inputs.append({"name": "target", "job": ids[1], "path": "other"})
    reference = None
    if "consistency" in knobs:
        inputs.append({"name": "reference", "job": REFERENCE, "path": "reference"})
        reference = torch.load(f"{root}/reference/checkpoints/sae.pt", weights_only=True)["decoder.weight"].T.double()
        reference = reference / reference.norm(dim=1, keepdim=True)
    run_job(root, run, "sae_train", {**BASE, "arch": arch, **knobs}, inputs, "%064d" % (10 + index))
    state = torch.load(f"{root}/{run}/checkpoints/sae_step0.pt", weights_only=True)
    peer = Peer(arch, knobs, state, (data[0], data[1 if arch.endswith("transcoder") else 0]), reference)
    return curves_agree(root, run, name, peer)


def curves_agree(root, run, name, peer):
    with open(f"{root}/{run}/series.csv", newline="") as f:
        ours = {int(r["step"]): float(r["value"]) for r in csv.DictReader(f) if r["name"] == "loss"}
    assert len(ours) == STEPS, len(ours)
    worst, first, last = 0, None, None
    for step in range(STEPS):
        last = peer.step(step)
        first = first or last
        worst = max(worst, abs(ours[step + 1] - last) / abs(last))
    print(f"{name:18} loss {first:9.5f} -> {last:9.5f}   largest relative difference {worst:.1e}",
          flush=True)
    return worst < (1e-9 if peer.is_double else 1e-4)


def main():
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as root:
        data = []
        for i, (name, seed) in enumerate((("data", 0), ("other", 1))):
            run_job(root, name, "data_make", {"n_rows": N, "d_model": D, "n_atoms": 32, "seed": seed},
                    [], "%064d" % (i + 1))
            data.append(torch.load(f"{root}/{name}/acts.pt", weights_only=True).double())
        run_job(root, "reference", "sae_random", {"d_model": D, "d_sae": F, "seed": 3}, [], REFERENCE)
        names = sys.argv[1:] or list(CASES) + list(PAIRS)
        bad = [n for i, n in enumerate(names)
               if not (compare_pair(root, n, i) if n in PAIRS else compare(root, n, i, data))]
        if bad:
            sys.exit("differ by too much: " + ", ".join(bad))


main()

"""The peer of tests/bench/bench_sae_step.c: the same training step in PyTorch.

usage: python3 tests/peer/bench_torch_sae.py [--arch A] [--row N] [--repeats N] [--threads N]
                                             [--form F] [--bias B] [--serve]
Encoder, activation, decoder, error, penalty, backward, the decoder's constraint and fused Adam, in
the dense form that PyTorch users write, for topk also with a gathered decode, and both under
torch.compile.  --serve: measure once for every line of the input, so that another program can be
timed in turn.
"""
import argparse
import statistics
import sys
import time

import torch

SHAPES = [(128, 1024, 32, 256), (128, 1024, 32, 2048), (512, 4096, 32, 4096), (512, 16384, 64, 2048)]
REPEATS = 9
L1, BANDWIDTH, THETA = 2.0, 0.1, 2.0


class Jump(torch.autograd.Function):
    """z where z > theta, and the count of those; theta learns through a rectangle."""

    @staticmethod
    def forward(ctx, z, theta):
        on = (z > theta).to(z.dtype)
        ctx.save_for_backward(z, theta, on)
        return z * on, on

    @staticmethod
    def backward(ctx, da, don):
        z, theta, on = ctx.saved_tensors
        near = ((z - theta).abs() < BANDWIDTH / 2).to(z.dtype)
        dtheta = -(near * (theta * da + don)).sum(0) / BANDWIDTH
        return da * on, dtheta


class Sae(torch.nn.Module):
    def __init__(self, arch, d, f, k, sparse, bias):
        super().__init__()
        dec = torch.nn.functional.normalize(torch.randn(f, d), dim=1)
        self.w_dec = torch.nn.Parameter(dec)
        self.w_enc = torch.nn.Parameter(dec.clone())
        self.b_enc = torch.nn.Parameter(torch.full((f,), bias))
        self.arch, self.k, self.sparse = arch, k, sparse
        if arch != "relu":
            self.b_dec = torch.nn.Parameter(torch.zeros(d))
        if arch == "jumprelu":
            self.log_theta = torch.nn.Parameter(torch.full((f,), THETA).log())

    def forward(self, x):
        """x_hat, and what the penalty counts."""
        if self.arch == "relu":
            a = torch.relu(torch.nn.functional.linear(x, self.w_enc, self.b_enc))
            return a @ self.w_dec, a
        z = torch.nn.functional.linear(x - self.b_dec, self.w_enc, self.b_enc)
        if self.arch == "jumprelu":
            a, on = Jump.apply(z, self.log_theta.exp())
            return a @ self.w_dec + self.b_dec, on
        z = torch.relu(z)
        if self.arch == "batchtopk":
            val, idx = torch.topk(z.flatten(), self.k * len(x), sorted=False)
            a = torch.zeros_like(z).flatten().scatter(0, idx, val).view_as(z)
            return a @ self.w_dec + self.b_dec, None
        val, idx = torch.topk(z, self.k, dim=1, sorted=False)
        if self.sparse:
            y = torch.nn.functional.embedding_bag(idx, self.w_dec, per_sample_weights=val, mode="sum")
        else:
            y = torch.zeros_like(z).scatter(1, idx, val) @ self.w_dec
        return y + self.b_dec, None


def step(m, opt, x):
    opt.zero_grad()
    y, cost = m(x)
    e = (y - x) ** 2
    loss = e.mean() if m.arch == "relu" else e.sum(1).mean()
    if cost is not None:
        loss = loss + L1 * cost.sum(1).mean()
    loss.backward()
    if m.arch != "relu":
        with torch.no_grad():
            g, w = m.w_dec.grad, m.w_dec
            g -= (g * w).sum(1, keepdim=True) * w
    if m.clip > 0:
        torch.nn.utils.clip_grad_norm_(m.parameters(), m.clip)
    opt.step()
    with torch.no_grad():
        m.w_dec /= m.w_dec.norm(dim=1, keepdim=True)
    return loss


class Bench:
    def __init__(self, arch, row, form, bias, clip=0.0):
        d, f, k, n = SHAPES[row]
        torch.manual_seed(1)
        self.m = Sae(arch, d, f, k, "sparse" in form, bias)
        self.m.clip = clip
        self.opt = torch.optim.Adam(self.m.parameters(), lr=3e-4, fused=True)
        self.xs = [torch.randn(n, d) for _ in range(8)]
        self.inner = 1 + int(4e9 / (2 * n * d * f))
        self.step = torch.compile(step) if form.startswith("compile") else step
        for i in range(3):
            self.step(self.m, self.opt, self.xs[i % 8])

    def seconds(self):
        start = time.perf_counter()
        for i in range(self.inner):
            self.step(self.m, self.opt, self.xs[i % 8])
        return (time.perf_counter() - start) / self.inner


def forms_of(arch):
    forms = ["dense", "sparse"] if arch == "topk" else ["dense"]
    return forms + ["compile-" + f for f in forms]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--arch", default="topk", choices=["topk", "batchtopk", "relu", "jumprelu"])
    p.add_argument("--row", type=int)
    p.add_argument("--repeats", type=int, default=REPEATS)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--form", choices=forms_of("topk"))
    p.add_argument("--bias", type=float, default=0.0)
    p.add_argument("--clip", type=float, default=0.0, help="norm of all gradients; 0: no clipping")
    p.add_argument("--forms", action="store_true", help="print the forms of this arch and stop")
    p.add_argument("--serve", action="store_true")
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    if a.forms:
        print(*forms_of(a.arch))
        return
    if a.serve:
        bench = Bench(a.arch, a.row, a.form, a.bias, a.clip)
        print("ready", flush=True)
        for _ in sys.stdin:
            print(f"{bench.seconds():.9f}", flush=True)
        return
    print(f"torch {torch.__version__}, {a.threads} thread(s)")
    print(f"{'d':>5} {'f':>5} {'k':>3} {'batch':>5} {'form':>14} {'median_ms':>10} {'samples/s':>12}")
    for row, (d, f, k, n) in enumerate(SHAPES):
        for form in forms_of(a.arch):
            if a.row not in (None, row) or a.form not in (None, form):
                continue
            try:
                bench = Bench(a.arch, row, form, a.bias, a.clip)
            except Exception as e:  # torch.compile needs a C++ compiler
                print(f"{d:5} {f:5} {k:3} {n:5} {form:>14} failed: {type(e).__name__}", flush=True)
                continue
            t = statistics.median(bench.seconds() for _ in range(a.repeats))
            print(f"{d:5} {f:5} {k:3} {n:5} {form:>14} {1e3 * t:10.3f} {n / t:12.0f}", flush=True)


if __name__ == "__main__":
    main()

"""The peer of tests/bench/bench_sae_step.c: the same TopK step in PyTorch on one thread.

usage: python3 tests/peer/bench_torch_sae.py [--row N] [--repeats N] [--threads N] [--form F] [--serve]
Encode (centred, ReLU), torch.topk, decode, sum-mean MSE, backward, gradient projection, Adam,
renormalised decoder: in the dense form that PyTorch users write, with a gathered decode, and the
better of the two under torch.compile.  --serve: measure once for every line of the input, so that
another program can be timed in turn.
"""
import argparse
import statistics
import sys
import time

import torch

SHAPES = [(128, 1024, 32, 256), (128, 1024, 32, 2048), (512, 4096, 32, 4096), (512, 16384, 64, 2048)]
REPEATS = 9


class TopK(torch.nn.Module):
    def __init__(self, d, f, k, sparse):
        super().__init__()
        dec = torch.nn.functional.normalize(torch.randn(f, d), dim=1)
        self.w_dec = torch.nn.Parameter(dec)
        self.w_enc = torch.nn.Parameter(dec.clone())
        self.b_enc = torch.nn.Parameter(torch.zeros(f))
        self.b_dec = torch.nn.Parameter(torch.zeros(d))
        self.k, self.sparse = k, sparse

    def forward(self, x):
        z = torch.relu(torch.nn.functional.linear(x - self.b_dec, self.w_enc, self.b_enc))
        val, idx = torch.topk(z, self.k, dim=1, sorted=False)
        if self.sparse:
            y = torch.nn.functional.embedding_bag(idx, self.w_dec, per_sample_weights=val, mode="sum")
        else:
            y = torch.zeros_like(z).scatter(1, idx, val) @ self.w_dec
        return y + self.b_dec


def step(m, opt, x):
    opt.zero_grad()
    loss = ((m(x) - x) ** 2).sum(1).mean()
    loss.backward()
    with torch.no_grad():
        g, w = m.w_dec.grad, m.w_dec
        g -= (g * w).sum(1, keepdim=True) * w
    opt.step()
    with torch.no_grad():
        m.w_dec /= m.w_dec.norm(dim=1, keepdim=True)
    return loss


class Bench:
    def __init__(self, row, form):
        d, f, k, n = SHAPES[row]
        torch.manual_seed(1)
        self.m = TopK(d, f, k, "sparse" in form)
        self.opt = torch.optim.Adam(self.m.parameters(), lr=3e-4)
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


FORMS = ["dense", "sparse", "compile-dense", "compile-sparse"]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--row", type=int)
    p.add_argument("--repeats", type=int, default=REPEATS)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--form", choices=FORMS)
    p.add_argument("--serve", action="store_true")
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    if a.serve:
        bench = Bench(a.row, a.form)
        for _ in sys.stdin:
            print(f"{bench.seconds():.9f}", flush=True)
        return
    print(f"torch {torch.__version__}, {a.threads} thread(s)")
    print(f"{'d':>5} {'f':>5} {'k':>3} {'batch':>5} {'form':>14} {'median_ms':>10} {'samples/s':>12}")
    for row, (d, f, k, n) in enumerate(SHAPES):
        for form in FORMS:
            if a.row not in (None, row) or a.form not in (None, form):
                continue
            try:
                bench = Bench(row, form)
            except Exception as e:  # torch.compile needs a C++ compiler
                print(f"{d:5} {f:5} {k:3} {n:5} {form:>14} failed: {type(e).__name__}", flush=True)
                continue
            t = statistics.median(bench.seconds() for _ in range(a.repeats))
            print(f"{d:5} {f:5} {k:3} {n:5} {form:>14} {1e3 * t:10.3f} {n / t:12.0f}", flush=True)


if __name__ == "__main__":
    main()

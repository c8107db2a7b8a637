"""The peer of tests/bench/bench_sae_step.c: the same TopK step in PyTorch on one thread.

usage: python3 tests/peer/bench_torch_sae.py
Encode (centred, ReLU), torch.topk, decode, sum-mean MSE, backward, gradient projection, Adam,
renormalised decoder: in the dense form that PyTorch users write, and with a gathered decode.
"""
import statistics
import time

import torch

SHAPES = [(128, 1024, 32, 256), (128, 1024, 32, 2048), (512, 4096, 32, 4096)]
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


def measure(d, f, k, n, sparse):
    torch.manual_seed(1)
    m = TopK(d, f, k, sparse)
    opt = torch.optim.Adam(m.parameters(), lr=3e-4)
    xs = [torch.randn(n, d) for _ in range(8)]
    inner = 1 + int(4e9 / (2 * n * d * f))
    for i in range(5):
        step(m, opt, xs[i % 8])
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        for i in range(inner):
            step(m, opt, xs[i % 8])
        times.append((time.perf_counter() - start) / inner)
    return statistics.median(times)


def main():
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, one thread")
    print(f"{'d':>5} {'f':>5} {'k':>3} {'batch':>5} {'form':>7} {'median_ms':>10} {'samples/s':>12}")
    for d, f, k, n in SHAPES:
        for sparse in (False, True):
            t = measure(d, f, k, n, sparse)
            form = "sparse" if sparse else "dense"
            print(f"{d:5} {f:5} {k:3} {n:5} {form:>7} {1e3 * t:10.3f} {n / t:12.0f}", flush=True)


if __name__ == "__main__":
    main()

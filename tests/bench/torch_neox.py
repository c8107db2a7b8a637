#!/usr/bin/env python3
"""One training step of transformers' GPT-NeoX: torch_neox.py SHAPE CONTEXT THREADS REPEATS [eager|compile|bf16|autocast]

Prints shape, context, threads, ms of a step (median, least), ids/s of training and of evaluation, and by how many
GiB the resident set grew at its peak over what it was with the libraries loaded.  bf16: weights and all;
autocast: products in bfloat16, weights in float32.
"""
import resource
import sys
import time

import torch
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM



def resident_gib():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * resource.getpagesize() / (1 << 30)


start = resident_gib()  # libraries loaded, nothing made
name, t, threads, repeats = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
layers, d, h = {"14m": (6, 128, 4), "70m": (6, 512, 8), "160m": (12, 768, 12)}[name]
torch.set_num_threads(threads)
model = GPTNeoXForCausalLM(GPTNeoXConfig(vocab_size=50304, hidden_size=d, num_hidden_layers=layers,
                                         num_attention_heads=h, intermediate_size=4 * d))
if "bf16" in sys.argv:
    model = model.to(torch.bfloat16)
opt = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.95), weight_decay=0.1)
run = torch.compile(model) if "compile" in sys.argv else model
ids = torch.randint(0, 50304, (1, t))


def loss_of():
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled="autocast" in sys.argv):
        return run(input_ids=ids, labels=ids, use_cache=False).loss


def step():
    opt.zero_grad(set_to_none=True)
    loss = loss_of()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    opt.step()


def timed(f):
    start = time.perf_counter()
    f()
    return time.perf_counter() - start


def evaluate():
    with torch.no_grad():
        loss_of()


step()
step()
times = sorted(timed(step) for _ in range(repeats))
rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20) - start
evaluate()
evals = sorted(timed(evaluate) for _ in range(repeats))
print(f"{name} {t} {threads} {1e3 * times[repeats // 2]:.2f} {1e3 * times[0]:.2f} "
      f"{t / times[repeats // 2]:.1f} {t / evals[repeats // 2]:.1f} {rss:.3f}")

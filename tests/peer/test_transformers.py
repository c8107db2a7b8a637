#!/usr/bin/env python3
"""GPT-NeoX folders between saegrid and transformers, both ways: equal weights and logits."""
import os
import subprocess
import sys
import tempfile

try:
    import torch
    from safetensors.torch import load_file
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)
import peer

JOB = "00000000000000000000000000000000000000000000000000000000000000a1"


def configs():
    base = dict(vocab_size=61, hidden_size=40, num_hidden_layers=2, num_attention_heads=4, intermediate_size=72,
                max_position_embeddings=64)

    def rope(base, share):
        return dict(rope_type="default", rope_theta=base, partial_rotary_factor=share)
    yield "parallel", dict(base, rope_parameters=rope(10000.0, 0.4))
    yield "sequential", dict(base, use_parallel_residual=False, rope_parameters=rope(700.0, 1.0))
    yield "tied", dict(base, tie_word_embeddings=True, hidden_act="gelu_new", rope_parameters=rope(10000.0, 0.2))
    yield "one head of 80", dict(base, hidden_size=80, num_attention_heads=1, attention_bias=False,
                                 rope_parameters=rope(10000.0, 0.25))


def logits(folder, ids):
    model = GPTNeoXForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        return model(input_ids=ids).logits


def check(root, name, keys, dtype, shard):
    torch.manual_seed(len(name))
    folder, out = os.path.join(root, name, "in"), os.path.join(root, name, "out")
    model = GPTNeoXForCausalLM(GPTNeoXConfig(**keys)).to(dtype)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1 * torch.randn_like(p))
    model.save_pretrained(folder, max_shard_size=shard)
    ids = torch.randint(0, keys["vocab_size"], (2, 30))
    # theirs -> job -> theirs
    os.makedirs(os.path.join(root, name, "jobs"))
    done = peer.run_job(os.path.join(root, name, "jobs"), "import", "lm_import", {"path": folder}, [], JOB)
    got = peer.convert(done, out, "hf")
    assert got.returncode == 0, got.stderr
    a, b = logits(folder, ids), logits(out, ids)
    assert torch.equal(a, b), f"{name}: logits differ by {(a - b).abs().max()}"
    ours, theirs = load_file(os.path.join(out, "model.safetensors")), model.state_dict()
    for key, value in theirs.items():
        key = key.replace("lm_head.weight", "embed_out.weight")
        if key in ours:
            assert torch.equal(ours[key], value), key
    print(f"ok: {name}, {dtype}, {shard}")


def main():
    with tempfile.TemporaryDirectory() as root:
        for name, keys in configs():
            check(root, name, keys, torch.float32, "5GB")
        check(root, "half in shards", next(configs())[1], torch.float16, "40KB")
        check(root, "bfloat16", next(configs())[1], torch.bfloat16, "5GB")
    made = os.path.join(os.path.dirname(os.path.abspath(__file__)), "make_golden_neox.py")
    with tempfile.TemporaryDirectory() as root:
        for i, more in enumerate([["--sequential", "--d", "60", "--rotary", "0.2"], ["--tied", "--rotary", "1.0"],
                                  ["--d", "80", "--heads", "1", "--dtype", "F16", "--sharded"],
                                  ["--no-attn-bias", "--act", "gelu_new", "--dtype", "BF16"],
                                  ["--d", "66", "--heads", "11", "--inner", "101", "--vocab", "97", "--rotary", "0.67"],
                                  ["--layers", "1", "--layer", "0", "--d", "40", "--heads", "5", "--rotary", "0"],
                                  ["--base", "500", "--seq", "71", "--batch", "2", "--eps", "1e-3", "--sharded"],
                                  ["--d", "160", "--heads", "2", "--inner", "640", "--sequential", "--tied",
                                   "--dtype", "F16", "--rotary", "0.5", "--layers", "2", "--base", "100000"]]):
            folder = os.path.join(root, str(i))
            subprocess.run([sys.executable, "-W", "ignore", made, folder, "--seed", str(i), *more], check=True)
            subprocess.run([peer.BIN / "golden_neox", folder], check=True, stdout=subprocess.DEVNULL)
            print("ok: golden_neox,", " ".join(more))


if __name__ == "__main__":
    main()

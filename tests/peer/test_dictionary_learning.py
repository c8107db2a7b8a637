"""Files in the layouts of dictionary_learning and HUSAI, made with torch from their published
definitions, compute the same here; and what we write in those layouts does too."""
import json
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
try:
    import torch
except ImportError:
    print("skipped: no PyTorch")
    sys.exit(77)
from peer import convert, infer

D, F, K = 10, 25, 4
generator = torch.Generator().manual_seed(5)


def rand(*shape, scale=0.5):
    return torch.randn(*shape, generator=generator) * scale


def top(z, k):
    kept = torch.zeros_like(z)
    value, index = z.topk(k, dim=-1)
    return kept.scatter(-1, index, value)


def linear(s, x):
    return x @ s["encoder.weight"].T + s.get("encoder.bias", 0)


# class: state_dict, forward
def auto_encoder():
    s = {"bias": rand(D), "encoder.weight": rand(F, D), "encoder.bias": rand(F),
         "decoder.weight": rand(D, F)}
    return s, lambda s, x: torch.relu(linear(s, x - s["bias"])) @ s["decoder.weight"].T + s["bias"]


def auto_encoder_new():
    s = {"encoder.weight": rand(F, D), "encoder.bias": rand(F), "decoder.weight": rand(D, F),
         "decoder.bias": rand(D)}
    return s, lambda s, x: torch.relu(linear(s, x)) @ s["decoder.weight"].T + s["decoder.bias"]


def auto_encoder_topk():
    s = {"k": torch.tensor(K, dtype=torch.int32), "threshold": torch.tensor(-1.0),
         "encoder.weight": rand(F, D), "encoder.bias": rand(F), "decoder.weight": rand(D, F),
         "b_dec": rand(D)}
    return s, lambda s, x: (top(torch.relu(linear(s, x - s["b_dec"])), int(s["k"]))
                            @ s["decoder.weight"].T + s["b_dec"])


def above(z, threshold):
    return z * (z > threshold)


def batch_topk(threshold=0.7):
    s = {"k": torch.tensor(K, dtype=torch.int32), "threshold": torch.tensor(threshold),
         "encoder.weight": rand(F, D), "encoder.bias": rand(F), "decoder.weight": rand(D, F),
         "b_dec": rand(D)}
    return s, lambda s, x: (above(torch.relu(linear(s, x - s["b_dec"])), s["threshold"])
                            @ s["decoder.weight"].T + s["b_dec"])


def gated():
    s = {"decoder_bias": rand(D), "encoder.weight": rand(F, D), "r_mag": rand(F),
         "gate_bias": rand(F), "mag_bias": rand(F), "decoder.weight": rand(D, F)}

    def forward(s, x):
        z = linear(s, x - s["decoder_bias"])
        a = (z + s["gate_bias"] > 0) * torch.relu(s["r_mag"].exp() * z + s["mag_bias"])
        return a @ s["decoder.weight"].T + s["decoder_bias"]
    return s, forward


def jump_relu():
    s = {"W_enc": rand(D, F), "b_enc": rand(F), "W_dec": rand(F, D), "b_dec": rand(D),
         "threshold": rand(F).abs()}
    return s, lambda s, x: (torch.relu(above(x @ s["W_enc"] + s["b_enc"], s["threshold"]))
                            @ s["W_dec"] + s["b_dec"])


def matryoshka():
    s = {"W_enc": rand(D, F), "b_enc": rand(F), "W_dec": rand(F, D), "b_dec": rand(D),
         "k": torch.tensor(K, dtype=torch.int32), "threshold": torch.tensor(0.4),
         "group_sizes": torch.tensor([5, 20], dtype=torch.int32)}
    return s, lambda s, x: (above(torch.relu((x - s["b_dec"]) @ s["W_enc"] + s["b_enc"]),
                                  s["threshold"]) @ s["W_dec"] + s["b_dec"])


CLASSES = {"AutoEncoder": auto_encoder, "AutoEncoderNew": auto_encoder_new,
           "AutoEncoderTopK": auto_encoder_topk, "BatchTopKSAE": batch_topk,
           "GatedAutoEncoder": gated, "JumpReluAutoEncoder": jump_relu,
           "MatryoshkaBatchTopKSAE": matryoshka}


def compare(what, mine, theirs):
    worst = float((mine - theirs).abs().max()) / max(1.0, float(theirs.abs().max()))
    print(f"  {what}: largest difference {worst:.1e}")
    assert worst <= 1e-5, what


def check(tmp, x):
    for name, make in CLASSES.items():
        state, forward = make()
        folder = pathlib.Path(tmp, name)
        folder.mkdir()
        torch.save(state, folder / "ae.pt")
        (folder / "config.json").write_text(json.dumps({"trainer": {
            "dict_class": name, "activation_dim": D, "dict_size": F, "lr": 1e-3, "seed": 3}, "buffer": {}}))
        want = forward(state, x)
        compare(name, infer(folder, x, tmp)[1], want)
        ours = pathlib.Path(tmp, name + "_ours")
        got = convert(folder, ours, "dictionary_learning")
        assert got.returncode == 0, got.stderr
        written = json.loads((ours / "config.json").read_text())["trainer"]["dict_class"]
        state = torch.load(ours / "ae.pt", weights_only=True)
        expected_keys = set(CLASSES[written]()[0])
        assert set(state) == expected_keys, (written, set(state) ^ expected_keys)
        compare(f"  written back as {written}", CLASSES[written]()[1](state, x), want)
    return len(CLASSES)


def check_husai(tmp, x):
    state = {"encoder.weight": rand(F, D), "encoder.bias": rand(F), "decoder.weight": rand(D, F)}
    want = top(linear(state, x), K) @ state["decoder.weight"].T
    about = {"d_model": D, "d_sae": F, "k": K}
    layouts = {"model": {"model_state_dict": state, **about}, "sae": {"sae_state_dict": state, **about},
               "config": {"model_state_dict": state, "epoch": 3, "metrics": {"loss": 0.5},
                          "config": {"k": K, "architecture": "topk", "lr": 3e-4}}}
    for name, content in layouts.items():
        path = pathlib.Path(tmp, f"husai_{name}.pt")
        torch.save(content, path)
        compare(f"HUSAI, layout {name}", infer(path, x, tmp)[1], want)
    module = torch.nn.Module()
    module.encoder, module.decoder = torch.nn.Linear(D, F), torch.nn.Linear(F, D, bias=False)
    module.load_state_dict(state)
    path, own = pathlib.Path(tmp, "bare.pt"), pathlib.Path(tmp, "own.pt")
    torch.save(module.state_dict(), path)
    got = convert(path, own, "saegrid", "--from", "husai", "--k", str(K))
    assert got.returncode == 0, got.stderr
    compare("HUSAI, bare state_dict", infer(own, x, tmp)[1], want)
    assert convert(path, own, "saegrid").returncode == 65   # k is not said anywhere
    back = pathlib.Path(tmp, "back.pt")
    assert convert(pathlib.Path(tmp, "husai_model.pt"), back, "husai").returncode == 0
    content = torch.load(back, weights_only=True)
    module.load_state_dict(content["model_state_dict"])
    assert content["k"] == K and torch.equal(module.encoder.weight, state["encoder.weight"])


def check_safetensors(tmp, x):
    try:
        from safetensors import safe_open
        from safetensors.torch import load_file, save_file
    except ImportError:
        print("  safetensors: skipped, not installed")
        return
    for dtype, tolerance in ((torch.float32, 1e-6), (torch.float16, 1e-6), (torch.bfloat16, 1e-6),
                             (torch.float64, 1e-6)):
        state = {"encoder.weight": rand(F, D).to(dtype), "encoder.bias": rand(F).to(dtype),
                 "decoder.weight": rand(D, F).to(dtype), "b_dec": rand(D).to(dtype)}
        path, ours = pathlib.Path(tmp, "a.safetensors"), pathlib.Path(tmp, "b.safetensors")
        save_file(state, path, metadata={"arch": "relu", "act": "relu", "is_centred": "1", "scale": "none"})
        f = {k: v.float() for k, v in state.items()}
        want = torch.relu(linear(f, x - f["b_dec"])) @ f["decoder.weight"].T + f["b_dec"]
        got = infer(path, x, tmp)[1]
        assert float((got - want).abs().max()) < 1e-5 * max(1, float(want.abs().max())), dtype
        assert convert(path, ours, "safetensors").returncode == 0
        again = load_file(ours)
        for k, v in f.items():
            assert torch.equal(again[k], v), (dtype, k)
        with safe_open(ours, "pt") as opened:
            assert opened.metadata()["act"] == "relu"
    print("  safetensors: float32, float16, bfloat16, float64 read; ours load in the reference reader")


with tempfile.TemporaryDirectory() as tmp:
    rows = rand(300, D, scale=1.5)
    print(f"{check(tmp, rows)} classes of dictionary_learning are read and written")
    check_husai(tmp, rows)
    check_safetensors(tmp, rows)

"""SAELens opens what we export and computes the same; we open what SAELens writes and compute the same.

Our side trains every architecture that sae_train knows for a few steps, exports it, and compares
activations and reconstructions to 1e-5 relative to the largest of them.  Architectures that SAELens
cannot express must be refused by name.  Their side saves random SAEs of each class in each mode.
"""
import itertools
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
try:
    import torch
    from sae_lens import (SAE, GatedSAE, GatedSAEConfig, JumpReLUSAE, JumpReLUSAEConfig,
                          StandardSAE, StandardSAEConfig, TopKSAE, TopKSAEConfig)
    from sae_lens.saes.transcoder import (JumpReLUSkipTranscoder, JumpReLUSkipTranscoderConfig,
                                          JumpReLUTranscoder, JumpReLUTranscoderConfig, SkipTranscoder,
                                          SkipTranscoderConfig, Transcoder, TranscoderConfig)
except ImportError as why:
    print(f"skipped: {why}")
    sys.exit(77)
from peer import choices, convert, infer, run_job

TOLERANCE = 1e-5
REFUSED = {"topk_husai": "negative", "linear": "no counterpart", "transcoder": "no counterpart",
           "skip_transcoder": "no counterpart"}
SKIPPED = ["jsae_pair"]  # needs a model; each of its two SAEs is a topk
TRANSCODERS = {"relu_transcoder": "transcoder", "relu_skip_transcoder": "skip_transcoder",
               "jumprelu_transcoder": "jumprelu_transcoder",
               "jumprelu_skip_transcoder": "jumprelu_skip_transcoder"}


def compare(what, mine, theirs):
    scale = max(1.0, float(theirs.abs().max()))
    worst = float((mine - theirs).abs().max()) / scale
    print(f"  {what}: largest difference {worst:.1e}")
    assert worst <= TOLERANCE, what


def check_ours(tmp):
    ids = ["%064d" % i for i in range(1, 100)]
    data = run_job(tmp, "data", "data_make", {"n_rows": 2000, "d_model": 24, "n_atoms": 48}, [], ids[0])
    other = run_job(tmp, "other", "data_make", {"n_rows": 2000, "d_model": 10, "n_atoms": 48, "seed": 9},
                    [], ids[90])
    x = torch.load(data / "acts.pt", weights_only=True)[:500].clone()
    n_read = 0
    for i, arch in enumerate(choices("sae_train", "arch")):
        if arch in SKIPPED:
            continue
        knobs = {"arch": arch, "d_sae": 40, "k": 5, "steps": 300, "batch": 128, "lr": 3e-3, "seed": i}
        inputs = [("acts", ids[0], data.name)]
        if "transcoder" in arch:
            inputs.append(("target", ids[90], other.name))
        run = run_job(tmp, "sae_" + arch, "sae_train", knobs, inputs, ids[i + 1])
        target = pathlib.Path(tmp, "lens_" + arch)
        got = convert(run, target, "saelens")
        if arch in REFUSED:
            assert got.returncode == 65 and REFUSED[arch] in got.stderr, (arch, got.stderr)
            print(f"  {arch}: refused: {got.stderr.split(': ', 3)[-1].strip()}")
            continue
        assert got.returncode == 0, (arch, got.stderr)
        sae = SAE.load_from_disk(str(target), device="cpu")
        acts, x_hat = infer(run, x, tmp)
        with torch.no_grad():
            theirs = sae.encode(x)
            compare(f"{arch} as {sae.cfg.architecture()}: x_hat", x_hat, sae(x))
            compare(f"{arch}: activations", acts, theirs)
        assert sae.cfg.architecture() == TRANSCODERS.get(arch, sae.cfg.architecture())
        if "skip" in arch:
            assert float(sae.W_skip.abs().max()) > 0, "an untrained W_skip tests nothing"
        assert sae.cfg.metadata.hook_name == "blocks.1.hook_resid_post"
        assert float((acts > 0).sum()) > 0
        n_read += 1
    assert n_read >= 2
    return n_read


def fill(sae, generator):
    with torch.no_grad():
        for name, p in sae.named_parameters():
            p.copy_(torch.randn(p.shape, generator=generator) * (0.3 if p.ndim == 1 else 0.5))
            if name == "threshold":
                p.abs_()


def check_their_transcoders(tmp):
    generator = torch.Generator().manual_seed(4)
    x = torch.randn(200, 12, generator=generator) * 2 + 0.5
    classes = [(Transcoder, TranscoderConfig), (SkipTranscoder, SkipTranscoderConfig),
               (JumpReLUTranscoder, JumpReLUTranscoderConfig),
               (JumpReLUSkipTranscoder, JumpReLUSkipTranscoderConfig)]
    for n, (cls, cfg) in enumerate(classes):
        sae = cls(cfg(d_in=12, d_sae=30, d_out=7, device="cpu", apply_b_dec_to_input=False))
        fill(sae, generator)
        folder, own, again = (pathlib.Path(tmp, f"{k}_trans_{n}") for k in ("theirs", "own", "again"))
        sae.save_model(str(folder))
        acts, x_hat = infer(folder, x, tmp)
        with torch.no_grad():
            compare(f"{cls.__name__}: x_hat", x_hat, sae(x))
            compare("  activations", acts, sae.encode(x))
        assert convert(folder, own.with_suffix(".safetensors"), "safetensors").returncode == 0
        assert convert(own.with_suffix(".safetensors"), again, "saelens").returncode == 0
        with torch.no_grad():
            compare("  there and back", SAE.load_from_disk(str(again), device="cpu")(x), sae(x))
        for to in ("husai", "dictionary_learning"):
            refused = convert(folder, own, to)
            assert refused.returncode == 65 and "transcoder" in refused.stderr, refused.stderr
    return len(classes)


def check_theirs(tmp):
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(200, 12, generator=generator) * 2 + 0.5
    classes = [(StandardSAE, StandardSAEConfig, {}), (GatedSAE, GatedSAEConfig, {}),
               (JumpReLUSAE, JumpReLUSAEConfig, {}),
               (TopKSAE, TopKSAEConfig, {"k": 4}),
               (TopKSAE, TopKSAEConfig, {"k": 4, "rescale_acts_by_decoder_norm": True})]
    modes = ["none", "constant_norm_rescale", "layer_norm"]
    n = 0
    for (cls, cfg, extra), centred, mode in itertools.product(classes, (True, False), modes):
        sae = cls(cfg(d_in=12, d_sae=30, device="cpu", apply_b_dec_to_input=centred,
                      normalize_activations=mode, **extra))
        fill(sae, generator)
        folder = pathlib.Path(tmp, f"theirs_{n}")
        sae.save_model(str(folder))
        acts, x_hat = infer(folder, x, tmp)
        with torch.no_grad():
            compare(f"{cls.__name__} {extra} centred={centred} {mode}: x_hat", x_hat, sae(x))
            compare("  activations", acts, sae.encode(x))
        again = pathlib.Path(tmp, f"again_{n}")   # theirs -> ours -> theirs
        own = pathlib.Path(tmp, f"own_{n}.pt")
        assert convert(folder, own, "saegrid").returncode == 0
        assert convert(own, again, "saelens").returncode == 0
        with torch.no_grad():
            compare("  there and back", SAE.load_from_disk(str(again), device="cpu")(x), sae(x))
        n += 1
    return n


with tempfile.TemporaryDirectory() as tmp:
    print(f"{check_ours(tmp)} of our architectures load in SAELens and compute the same")
    print(f"{check_theirs(tmp)} SAELens folders are read and compute the same")
    print(f"{check_their_transcoders(tmp)} transcoders of SAELens too")

"""torch.load(weights_only=True) opens what the runner writes, read and mapped.

usage: test_torch_load.py [FOLDER...]   every .pt below the folders; without one, those of a small
data set and an SAE trained on it, made by $SAEGRID_BIN/saegrid-runner.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

try:
    import torch
except ImportError:
    print("skipped: no PyTorch")
    sys.exit(77)


def run_job(root, name, kind, knobs, inputs, job):
    folder = pathlib.Path(root, name + ".tmp")
    folder.mkdir()
    (folder / "job.json").write_text(json.dumps({
        "job": job, "kind": kind, "run_id": name, "sweep": "peer", "stage": name, "epoch": 1,
        "knobs": knobs, "common": {}, "context": {}, "inputs": inputs, "results": root}))
    runner = pathlib.Path(os.environ["SAEGRID_BIN"], "saegrid-runner")
    subprocess.run([runner, "run", folder], check=True)


def leaves(value):
    if isinstance(value, dict):
        for item in value.values():
            yield from leaves(item)
    else:
        yield value


def check(root):
    n_files = n_tensors = 0
    for path in sorted(pathlib.Path(root).rglob("*.pt")):
        for mapped in (False, True):
            tensors = [v for v in leaves(torch.load(path, weights_only=True, mmap=mapped))
                       if isinstance(v, torch.Tensor)]
            for t in tensors:
                assert t.is_contiguous(), path
                assert not t.is_floating_point() or bool(torch.isfinite(t).all()), path
        n_files += 1
        n_tensors += len(tensors)
    print(f"{root}: {n_files} files, {n_tensors} tensors load with weights_only=True")
    assert n_files, root


if sys.argv[1:]:
    for folder in sys.argv[1:]:
        check(folder)
else:
    with tempfile.TemporaryDirectory() as tmp:
        ids = ["%064d" % i for i in (1, 2)]
        run_job(tmp, "data", "data_make", {"n_rows": 1000}, [], ids[0])
        run_job(tmp, "sae", "sae_train", {"d_sae": 32, "k": 3, "steps": 50},
                [{"name": "acts", "job": ids[0], "path": "data"}], ids[1])
        acts = torch.load(tmp + "/data/acts.pt", weights_only=True)
        assert acts.dtype == torch.float32 and acts.shape == (1000, 16), acts.shape
        check(tmp)

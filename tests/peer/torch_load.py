"""torch.load(weights_only=True) opens what the runner writes: every .pt below the given folders.

Not part of the default tests: needs PyTorch.  usage: torch_load.py FOLDER...
"""
import pathlib
import sys

try:
    import torch
except ImportError:
    print("skipped: no PyTorch")
    sys.exit(77)


def leaves(value):
    if isinstance(value, dict):
        for item in value.values():
            yield from leaves(item)
    else:
        yield value


n_files = n_tensors = 0
for root in sys.argv[1:]:
    for path in sorted(pathlib.Path(root).rglob("*.pt")):
        for mapped in (False, True):
            tensors = [v for v in leaves(torch.load(path, weights_only=True, mmap=mapped))
                       if isinstance(v, torch.Tensor)]
            for t in tensors:
                assert t.is_contiguous(), path
                assert not t.is_floating_point() or bool(torch.isfinite(t).all()), path
        n_files += 1
        n_tensors += len(tensors)
print(f"{n_files} files, {n_tensors} tensors load with weights_only=True, read and mapped")
sys.exit(0 if n_files else 1)

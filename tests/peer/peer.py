"""What the peer tests share: jobs by hand, SAEs through the runner, comparisons."""
import json
import os
import pathlib
import struct
import subprocess
import zlib

BIN = pathlib.Path(os.environ["SAEGRID_BIN"])


def describe(kind):
    """What `saegrid kinds KIND --json` says."""
    text = subprocess.run([BIN / "saegrid", "kinds", kind, "--json"], check=True,
                          capture_output=True, text=True).stdout
    return json.loads(text)


def run_job(root, name, kind, knobs, inputs, job):
    """One job in ROOT/NAME; inputs are (name, job, folder)."""
    folder = pathlib.Path(root, name + ".tmp")
    folder.mkdir()
    (folder / "job.json").write_text(json.dumps({
        "job": job, "kind": kind, "run_id": name, "sweep": "peer", "stage": name, "epoch": 1,
        "knobs": knobs, "common": {}, "context": {"task": "peer", "layer": 1, "hook": "resid_post"},
        "inputs": [{"name": n, "job": j, "path": p} for n, j, p in inputs], "results": str(root)}))
    subprocess.run([BIN / "saegrid-runner", "run", folder], check=True)
    return pathlib.Path(root, name)


def convert(source, target, to, *more):
    return subprocess.run([BIN / "saegrid-runner", "convert", source, target, "--to", to, *more],
                          capture_output=True, text=True)


def infer(sae, x, folder, *more):
    """(acts, x_hat) of the rows x, as this program computes them."""
    import torch

    rows, out = pathlib.Path(folder, "rows.pt"), pathlib.Path(folder, "out.pt")
    torch.save(x.contiguous(), rows)
    subprocess.run([BIN / "saegrid-runner", "infer", sae, rows, out, *more], check=True)
    got = torch.load(out, weights_only=True)
    return got["acts"], got["x_hat"]


def choices(kind, knob):
    """The choices of a knob, from `saegrid kinds KIND --json`."""
    rows = describe(kind)["knobs"]
    return next(r for r in rows if r["name"] == knob)["choices"].split("|")


def wandb_records(path, pb):
    """Records of a .wandb file, by the rules of LevelDB's log; pb: wandb.proto.wandb_internal_pb2."""
    data = path.read_bytes()
    assert data[:7] == b":W&B" + struct.pack("<HB", 0xBEE1, 0)
    at, parts = 7, b""
    while at < len(data):
        left = 32768 - at % 32768
        if left < 7:
            at += left
            continue
        crc, size, kind = struct.unpack("<IHB", data[at:at + 7])
        body = data[at + 7:at + 7 + size]
        assert crc == zlib.crc32(body, zlib.crc32(bytes([kind])))
        parts = (parts if kind in (3, 4) else b"") + body
        if kind in (1, 4):
            record = pb.Record()
            record.ParseFromString(parts)
            yield record
        at += 7 + size

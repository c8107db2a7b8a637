"""TensorBoard's and W&B's files made from the manifest alone, after the run's folder is gone: the same points and metrics."""
import json
import os
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
try:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from wandb.proto import wandb_internal_pb2 as pb
except ImportError as why:
    print(f"skipped: {why}")
    sys.exit(77)
from peer import BIN, wandb_records

SWEEP = """sweep: trackers
stages:
  data: {kind: data_make, n_rows: 1000}
  sae: {kind: sae_train, acts: $data, d_sae: 32, k: 3, steps: 50, lr: 1e-3}
"""


def saegrid(*args):
    return subprocess.run([BIN / "saegrid", *args], check=True, capture_output=True, text=True).stdout


def history(path):
    """Rows, summary and config of a .wandb file."""
    rows, summary, config = [], {}, {}
    for r in wandb_records(pathlib.Path(path), pb):
        if r.HasField("history"):
            rows.append({i.key: json.loads(i.value_json) for i in r.history.item})
        if r.HasField("summary"):
            summary.update({i.key: json.loads(i.value_json) for i in r.summary.update})
        if r.HasField("run"):
            config = {i.key: json.loads(i.value_json) for i in r.run.config.update}
    return rows, summary, config


with tempfile.TemporaryDirectory() as tmp:
    os.chdir(tmp)
    pathlib.Path("trackers.yaml").write_text(SWEEP)
    saegrid("run", "trackers.yaml", "-j", "1")
    shutil.rmtree("results/experiments")
    db = sqlite3.connect("file:results/manifest.sqlite?mode=ro", uri=True)
    run, job = db.execute("SELECT run_id, job FROM runs WHERE kind = 'sae_train'").fetchone()
    points = {}
    for name, step, value in db.execute("SELECT name, step, value FROM series WHERE job = ? ORDER BY name, step", (job,)):
        points.setdefault(name, []).append((step, value))
    metrics = dict(db.execute("SELECT name, value FROM metrics WHERE job = ?", (job,)))
    assert len(points["loss"]) > 10 and "ev" in metrics

    saegrid("export", run, "tb", "--format", "tensorboard", "--manifest")
    acc = EventAccumulator(f"tb/{run}", size_guidance={"scalars": 0})
    acc.Reload()
    for name, want in points.items():
        got = [(e.step, e.value) for e in acc.Scalars(name)]
        assert [s for s, _ in got] == [s for s, _ in want], name
        assert all(abs(a - b) <= 1e-6 * max(1, abs(b)) for (_, a), (_, b) in zip(got, want)), name
    for name, want in metrics.items():
        got = acc.Scalars("metric/" + name)[0].value
        assert abs(got - want) <= 1e-6 * max(1, abs(want)), name

    (log,) = [saegrid("export", run, "wb", "--format", "wandb", "--manifest").strip()]
    rows, summary, config = history(log)
    assert [r["_step"] for r in rows] == sorted({s for p in points.values() for s, _ in p})
    for r in rows:
        for name, want in points.items():
            assert r.get(name) == dict(want).get(r["_step"]), (name, r["_step"])
    assert summary["ev"] == metrics["ev"] and config["d_sae"] == 32 and config["k"] == 3 and config["lr"] == 1e-3
    assert not [p for p in pathlib.Path(".").rglob(".saegrid-*")], "the copy was left behind"
    refused = subprocess.run([BIN / "saegrid", "export", run, "x", "--format", "saelens", "--manifest"], capture_output=True, text=True)
    assert refused.returncode == 64 and "holds no weights" in refused.stderr, refused
    print(f"{len(points)} series, {len(rows)} rows, {len(metrics)} metrics from the manifest alone")

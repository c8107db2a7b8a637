"""TensorBoard opens tb/: the scalars are those of series.csv, histograms and final metrics are there."""
import csv
import json
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
try:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
except ImportError as why:
    print(f"skipped: {why}")
    sys.exit(77)
from peer import run_job


def check(run):
    acc = EventAccumulator(str(run / "tb"), size_guidance={"scalars": 0, "histograms": 0, "tensors": 0})
    acc.Reload()
    assert acc.file_version == 2.0
    tags = acc.Tags()
    series = {}
    with open(run / "series.csv") as f:
        for row in csv.DictReader(f):
            series.setdefault(row["name"], []).append((int(row["step"]), float(row["value"])))
    for name, points in series.items():
        events = acc.Scalars(name)
        assert [e.step for e in events] == [s for s, _ in points], name
        assert all(abs(e.value - v) <= 1e-6 * max(1, abs(v)) for e, (_, v) in zip(events, points)), name
        times = [e.wall_time for e in events]
        assert times == sorted(times) and times[0] > 1.6e9
    result = json.loads((run / "result.json").read_text())
    for name, value in result["metrics"].items():
        got = acc.Scalars("metric/" + name)[0].value
        assert abs(got - value) <= 1e-6 * max(1, abs(value)), name
    n_features = 0
    for name in tags["histograms"]:
        h = acc.Histograms(name)[0].histogram_value
        assert len(h.bucket) == len(h.bucket_limit) and sum(h.bucket) == h.num
        assert h.bucket_limit == sorted(h.bucket_limit) and h.bucket_limit[-1] >= h.max - 1e-9
        assert h.min * h.num - 1e-6 <= h.sum <= h.max * h.num + 1e-6
        n_features = int(h.num)
    listed = {a["path"]: a for a in result["artifacts"]}
    (name,) = [p for p in listed if p.startswith("tb/")]
    assert listed[name]["volatile"]
    print(f"{run.name}: {len(series)} series, {len(result['metrics'])} metrics, "
          f"{len(tags['histograms'])} histograms")
    return n_features


with tempfile.TemporaryDirectory() as tmp:
    ids = ["%064d" % i for i in (1, 2)]
    data = run_job(tmp, "data", "data_make", {"n_rows": 1000}, [], ids[0])
    check(data)
    assert check(run_job(tmp, "sae", "sae_train", {"d_sae": 32, "k": 3, "steps": 50},
                         [("acts", ids[0], "data")], ids[1])) == 32

"""`wandb sync` takes what `saegrid export --format wandb` writes.

The log is decoded with W&B's own protobuf classes and compared with the result folder; then the real
`wandb sync` (wandb-core) uploads it to a server on this machine that says yes to everything, and what it
sent is compared as well.  Nothing leaves the machine.
"""
import csv
import gzip
import http.server
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, str(pathlib.Path(__file__).parent))
try:
    from wandb.proto import wandb_internal_pb2 as pb
except ImportError as why:
    print(f"skipped: {why}")
    sys.exit(77)
from peer import convert, run_job, wandb_records


def check_log(path, run, job):
    got = list(wandb_records(path, pb))
    kinds = [r.WhichOneof("record_type") for r in got]
    assert kinds[:2] == ["header", "run"] and kinds[-3:] == ["exit", "final", "footer"], kinds
    assert [r.num for r in got] == list(range(len(got)))
    config = {i.key: json.loads(i.value_json) for i in got[1].run.config.update}
    assert config["d_sae"] == 64 and config["k"] == 3 and config["arch"] == "topk" and config["lr"] == 3e-4
    assert got[1].run.project == "peer" and got[1].run.run_group == "sae" and got[1].run.job_type == "sae_train"
    assert got[1].run.run_id == job[:8] and got[1].run.start_time.seconds > 1.6e9
    want = {}
    with open(run / "series.csv") as f:
        for row in csv.DictReader(f):
            want.setdefault(int(row["step"]), {})[row["name"]] = float(row["value"])
    history = [{i.key: json.loads(i.value_json) for i in r.history.item} for r in got if r.HasField("history")]
    assert [r.history.step.num for r in got if r.HasField("history")] == sorted(want)
    for row in history:
        assert row.pop("_timestamp") > 1.6e9 and row.pop("_runtime") >= 0
        assert row == {**want[row["_step"]], "_step": row["_step"]}
    summary = {i.key: json.loads(i.value_json) for r in got if r.HasField("summary") for i in r.summary.update}
    metrics = json.loads((run / "metrics.json").read_text())
    assert summary["ev"] == metrics["ev"] and summary["dead_neuron_pct"] == metrics["dead_neuron_pct"]
    print(f"decoded: {len(got)} records, {len(history)} rows, {len(config)} knobs, {len(summary)} metrics")
    return history, config


class Yes(http.server.BaseHTTPRequestHandler):
    """The part of W&B's service that an upload needs; keeps the file stream."""
    rows, configs = [], []

    def answer(self, body):
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        self.answer({})

    def do_PUT(self):
        self.do_POST()

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        if "file_stream" in self.path:
            for chunk in (json.loads(body).get("files") or {}).items():
                if chunk[0] == "wandb-history.jsonl":
                    self.rows.extend(json.loads(line) for line in chunk[1]["content"])
            return self.answer({"exitcode": None, "limits": {}})
        if "graphql" not in self.path:
            return self.answer({})
        query = json.loads(body)
        text, variables = query["query"], query.get("variables") or {}
        bucket = {"id": "x", "name": variables.get("name"), "displayName": "x", "description": "", "config": "{}",
                  "sweepName": "", "project": {"id": "p", "name": "peer", "entity": {"id": "e", "name": "me"}},
                  "historyLineCount": 0, "logLineCount": 0, "eventsLineCount": 0, "filestreamOffset": 0}
        if "upsertBucket" in text:
            if variables.get("config"):
                self.configs.append(json.loads(variables["config"]))
            return self.answer({"data": {"upsertBucket": {"bucket": bucket, "inserted": True}}})
        if "createRunFiles" in text:
            return self.answer({"data": {"createRunFiles": {"runID": "x", "uploadHeaders": [], "files": []}}})
        if "viewer" in text:
            return self.answer({"data": {"viewer": {"id": "v", "entity": "me", "username": "me", "flags": "{}",
                                                    "teams": {"edges": []}}}})
        return self.answer({"data": {}})

    def log_message(self, *_):
        pass


def check_sync(folder, history, config):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Yes)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    env = {**os.environ, "WANDB_BASE_URL": f"http://127.0.0.1:{server.server_port}", "WANDB_API_KEY": "0" * 40,
           "WANDB_DIR": str(folder.parent), "HOME": str(folder.parent), "WANDB_ERROR_REPORTING": "false"}
    done = subprocess.run([sys.executable, "-m", "wandb", "sync", str(folder)], env=env, capture_output=True,
                          text=True, timeout=120, cwd=folder.parent)
    server.shutdown()
    text = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
    assert done.returncode == 0, text
    assert "rror" not in text, text
    assert (folder / (next(folder.glob("*.wandb")).name + ".synced")).exists(), text
    sent = [{k: v for k, v in row.items() if k not in ("_runtime", "_timestamp")} for row in Yes.rows]
    assert sent == history, (len(sent), len(history), text)
    said = {k: v.get("value") if isinstance(v, dict) else v for k, v in Yes.configs[-1].items()}
    assert all(said[k] == v for k, v in config.items()), said
    print(f"wandb sync: {len(sent)} rows and {len(config)} knobs uploaded, as they are in the result")


with tempfile.TemporaryDirectory() as tmp:
    ids = ["%064x" % (0xabcdef12 << 224 | i) for i in (1, 2)]
    data = run_job(tmp, "data", "data_make", {"n_rows": 1000}, [], ids[0])
    run = run_job(tmp, "sae", "sae_train", {"d_sae": 64, "k": 3, "steps": 400}, [("acts", ids[0], data.name)], ids[1])
    for _ in range(2):  # the same bytes again
        out = convert(run, pathlib.Path(tmp, "wandb"), "wandb")
        assert out.returncode == 0, out.stderr
    (path,) = pathlib.Path(tmp, "wandb").glob("offline-run-*/run-*.wandb")
    rows, knobs = check_log(path, run, ids[1])
    check_sync(path.parent, rows, knobs)

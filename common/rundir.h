/* rundir.h - the folders and files of one result.
 *
 *   <results>/experiments/<sweep>/<run_id>.tmp/   while running: job.json, log.txt, checkpoints
 *   <results>/experiments/<sweep>/<run_id>/       once complete: renamed, never written again
 *
 * job.json (written by the agent from GRANT, read by the runner):
 *   {"job": "<64 hex>", "kind": "sae_train", "version": 1, "run_id": "...", "sweep": "...",
 *    "stage": "...", "epoch": 7, "knobs": {"k": 4},            non-default knobs, canonical
 *    "common": {"threads": 1, "timeout": 0, ...},              JOB_FIELDS, all
 *    "context": {"task": "modadd", "layer": 1, ...},           knobs of the ancestors
 *    "inputs": [{"name": "acts", "job": "<hex>", "path": "<folder relative to results>"}],
 *    "results": "/abs/results"}
 *
 * result.json (written by the runner as the last file, before the folder is synced and renamed; what
 * the coordinator ingests; its presence in a folder without ".tmp" is the commit marker):
 *   {"format": 1, "job": "<hex>", "kind": ..., "epoch": 7, "verdict": "pass"|"negative"|null,
 *    "message": "...", "metrics": {"ev": 0.9, ...},            short names, finite only
 *    "absent": {"first_epoch_99": "never reached"},            why a declared metric has no value
 *    "blobs": [{"name": "pairs", "type": "text/csv", "text": "..."}],
 *    "artifacts": [{"path": "checkpoints/final.pt", "bytes": 1, "sha256": "<hex>"},
 *                  {"path": "summary.md", ..., "volatile": true}],
 *                  every file but job.json, log.txt, error.json and itself, by path; volatile:
 *                  its bytes hold times or names and differ between equal runs
 *    "provenance": {"key": "text", ...}}
 * error.json (written instead of a result when an attempt fails, removed by the next one):
 *   {"code": "INVALID", "class": "config", "message": "..."}
 * series.csv (job's logged points: name,step,value) is read by the coordinator as well.
 */
#pragma once
#include "common/buf.h"

#define RUN_JOB_FILE    "job.json"
#define RUN_RESULT_FILE "result.json"
#define RUN_LOG_FILE    "log.txt"
#define RUN_SERIES_FILE "series.csv"
#define RUN_ERROR_FILE  "error.json"
enum { RUN_ORDER_MAX = 64 << 10 }; /* bytes of an order to a warm runner */

/* "<results>/experiments/<sweep>/<run_id>" + (".tmp" if is_tmp) */
void rundir_path(struct buf *out, const char *results, const char *sweep, const char *run_id,
                 bool is_tmp);
/* True if the folder holds a complete result (result.json is there). */
bool rundir_is_complete(const char *path);
/* Folders "X.tmp" with complete results that are written but not synced: makes them durable,
 * then names each X.  After an error each is one or the other; it may be called again. */
MUST_CHECK enum err_code rundir_settle(const char *const *tmp, size_t n, struct err *e);

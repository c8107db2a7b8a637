#!/usr/bin/env bash
# A report is one well-formed page: links lead somewhere, numbers are the manifest's, texts of others stay
# texts, nothing comes from outside, and side files change nothing.
# shellcheck source=common.bash
. "$(dirname "${BASH_SOURCE[0]}")/common.bash"

python3 -c 'import html.parser' 2>/dev/null || { echo 'skipped: no python3'; exit 77; }

cat >small.yaml <<'EOF'
sweep: small
title: "Widths <script>alert('title')</script> & \"more\""
hypothesis: "wide <b>beats</b> narrow"
expected: "a ratio > 1 & a </section> that stays a text"
checks:
  - {claim: "above <i>half</i> of chance", of: $stability, metric: ratio, min: 0.5}
  - {claim: ten times chance, of: $stability, metric: ratio, min: 10}
recorded:
  - {table: "somebody's", of: '$stability{k: 2}', metric: ratio, value: 7, within: 0.5, source: nowhere, trap: "a <b>trap</b>"}
stages:
  organism: {kind: data_make, d_model: 8, n_atoms: 12, n_active: 2, n_rows: 400}
  sae:
    kind: sae_train
    acts: $organism
    steps: 40
    batch: 64
    d_sae: 12
    grid: {k: [2, 4], seed: [1, 2, 3]}
  random: {kind: sae_random, like: $sae}
  stability: {kind: sae_compare, saes: $sae, baseline: $random, truth: $organism, over: [seed], n_boot: 200, subspace_k: 4}
  broken: {kind: mock, fail: config, tag: "<img src=x onerror=alert(1)>"}
  good: {kind: mock, tag: "'\"><svg onload=alert(2)>", gate: {metric: value, min: 1000000}}
EOF
expect 1 sg run small.yaml -j 2
says 'What was expected did not hold: 1 of 2 checks held, 1 did not'
expect 0 sg table checks -s small
says 'small: held: above <i>half</i> of chance'
says 'small: did not hold: ten times chance'
expect 0 sg table replication -s small
says "somebody's +stability\\{k: 2\\} +ratio +7 .* differs"
says 'trap: .*a <b>trap</b>'
expect 0 sg report small
page=$SAEGRID_RESULTS/reports/small.html
[ -s "$page" ] || fail 'no page'
grep -q '<strong>did not hold</strong>: ten times chance' "$page" || fail 'the page does not say which check did not hold'
grep -q 'class="warn">Trap, .*a &lt;b&gt;trap' "$page" || fail 'the page does not label the trap'

# Well-formed, links, and what a browser would fetch or run.
cat >look.py <<'EOF'
import html.parser, json, os, sys, urllib.parse
VOID = {"meta", "br", "img", "hr", "input", "link"}
class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.ids, self.links, self.bad, self.tags, self.values = [], set(), [], [], {}, []
    def start(self, tag, attrs):
        a = dict(attrs)
        self.tags[tag] = self.tags.get(tag, 0) + 1
        if "id" in a:
            if a["id"] in self.ids:
                self.bad.append("id twice: " + a["id"])
            self.ids.add(a["id"])
        self.links += [a[k] for k in ("href", "src", "xlink:href") if k in a]
        self.bad += ["handler: " + k for k in a if k.startswith("on")]
        if "data-v" in a:
            self.values.append(a["data-v"])
    def handle_starttag(self, tag, attrs):
        self.start(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)
    def handle_startendtag(self, tag, attrs):
        self.start(tag, attrs)
    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.bad.append("misplaced </%s> at %s" % (tag, self.getpos()))
path = sys.argv[1]
text = open(path, encoding="utf-8").read()
p = Page()
p.feed(text)
p.close()
for link in p.links:
    if link.startswith("#"):
        if link[1:] not in p.ids:
            p.bad.append("leads nowhere: " + link)
    elif "://" in link or link.startswith("//") or link.startswith("data:"):
        p.bad.append("from outside: " + link)
    elif not os.path.exists(os.path.join(os.path.dirname(path), urllib.parse.unquote(link))):
        p.bad.append("no such file: " + link)
for word in ("http://", "https://", "@import", "url(http"):
    if word in text:
        p.bad.append("names " + word)
if p.tags.get("script") != 1 or p.tags.get("img"):
    p.bad.append("markup of others: %s" % p.tags)
if p.open:
    p.bad.append("not closed: %s" % p.open)
print("\n".join(p.bad[:20]))
json.dump({"values": p.values, "figures": p.tags.get("svg", 0), "links": len(p.links)}, open("found.json", "w"))
sys.exit(bool(p.bad))
EOF
expect 0 python3 look.py "$page"
figures=$(python3 -c 'import json; print(json.load(open("found.json"))["figures"])')
if command -v gnuplot >/dev/null; then
    [ "$figures" -ge 5 ] || fail "$figures figures"
fi
pass "well-formed, every link leads somewhere, $figures figures"

# Numbers: each of these stands on the page, to the last bit, beside the run it comes from.
sg table stability --sweep small --json >stability.json
sg table summary --sweep small --json >summary.json
expect 0 python3 - <<'EOF'
import json
values = {float(v) for v in json.load(open("found.json"))["values"]}
rows = json.load(open("stability.json"))
assert len(rows) == 2, rows
want = [r[c] for r in rows for c in ("pwmcc_mean", "ratio", "ci_low", "random_mean", "gt_mcc", "ev_mean")]
want += [r["mean"] for r in json.load(open("summary.json")) if r["stage"] == "sae" and r["metric"] in ("ev", "l0", "dead_pct", "mse")]
assert len(want) == 20, len(want)
missing = [v for v in want if float(v) not in values]
assert not missing, missing
EOF
for job in $(sql "SELECT substr(job, 1, 12) FROM runs WHERE kind = 'sae_compare'"); do
    grep -q "href=\"#run.$job\"" "$page" || fail "no number leads to $job"
done
pass 'numbers are those of the manifest'

# What went wrong is said, and hostile texts are texts.
grep -q '&lt;img src=x onerror=alert(1)&gt;' "$page" || fail 'the tag of the failed job is not on the page as text'
grep -q '&lt;script&gt;alert' "$page" || fail 'the title is not on the page as text'
grep -q 'Failures' "$page" && grep -q 'Negative results' "$page" || fail 'failures or negatives are missing'
pass 'failures and negatives are named, texts are escaped'

# The manifest alone: side files make no difference, and neither does the time.
cp "$page" first.html
rm -rf "$SAEGRID_RESULTS/experiments" "$SAEGRID_RESULTS/EXPERIMENT_LOG.md" "$SAEGRID_RESULTS/reports"
expect 0 sg report small
cmp -s first.html "$page" || fail 'the page differs after the side files were deleted'
expect 0 sg report all -o "$work/elsewhere/all.html"
grep -q 'href="#small"' "$work/elsewhere/all.html" || fail 'the page of all sweeps does not lead to this one'
expect 65 sg report smal
says 'did you mean small'
mkdir empty
PATH=$work/empty "$SAEGRID_BIN/saegrid" report small >"$log" 2>&1 || fail 'no page without gnuplot'
grep -q 'gnuplot is not on the PATH' "$page" || fail 'a page without figures does not say why'
pass 'from the manifest alone'

#!/usr/bin/env python3
"""A report in headless Chromium: tables sort from the keyboard, nothing is wider than a phone, it prints.

Needs chromium on the PATH."""
import html
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
if not chromium:
    print("skipped: no chromium")
    sys.exit(77)

SPEC = """
sweep: browser
title: A title that is long enough to need more than one line on the screen of a phone
stages:
  organism: {kind: data_make, d_model: 8, n_atoms: 12, n_active: 2, n_rows: 400}
  sae: {kind: sae_train, acts: $organism, steps: 40, batch: 64, d_sae: 12, grid: {k: [2, 4, 10], seed: [1, 2, 3]}}
  random: {kind: sae_random, like: $sae}
  stability: {kind: sae_compare, saes: $sae, baseline: $random, over: [seed], n_boot: 200, subspace_k: 4}
"""
PROBE = """<script>addEventListener("load", () => {
  const table = document.querySelector("[id='browser.stability'] table"), head = table.tHead.rows[0].cells[2];
  const column = () => [...table.tBodies[0].rows].map(row => Number(row.cells[2].dataset.v));
  const button = head.querySelector("button"), out = {before: column()};
  button.focus(); out.focused = document.activeElement === button;
  button.click(); out.up = column(); out.up_says = head.getAttribute("aria-sort");
  button.click(); out.down = column(); out.down_says = head.getAttribute("aria-sort");
  out.natural = button.tagName === "BUTTON" && button.tabIndex === 0;
  const regions = [...document.querySelectorAll(".scroll")];
  out.reachable = regions.every(region => region.tabIndex === 0 && region.getAttribute("aria-label"));
  out.width = innerWidth; out.scroll = document.documentElement.scrollWidth;
  out.figures = [...document.querySelectorAll("figure svg")].map(svg => svg.getBoundingClientRect().width);
  out.titles = [...document.querySelectorAll("figure svg title")].every(title => title.textContent.length > 3);
  const pre = document.createElement("pre"); pre.id = "probe"; pre.textContent = JSON.stringify(out); document.body.append(pre);
});</script></body>"""
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]


def browse(dir, *args):
    env = dict(os.environ, HOME=dir, XDG_CONFIG_HOME=dir, XDG_CACHE_HOME=dir)
    return subprocess.run([chromium, *FLAGS, "--user-data-dir=" + os.path.join(dir, "profile"), *args], env=env,
                          capture_output=True, text=True, timeout=120, check=True).stdout


saegrid = os.path.join(os.environ["SAEGRID_BIN"], "saegrid")
with tempfile.TemporaryDirectory() as dir:
    os.environ["SAEGRID_RESULTS"] = os.path.join(dir, "results")
    spec = os.path.join(dir, "browser.yaml")
    with open(spec, "w", encoding="utf-8") as f:
        f.write(SPEC)
    subprocess.run([saegrid, "run", spec, "-j", "2"], check=True, capture_output=True)
    subprocess.run([saegrid, "report", "browser"], check=True, capture_output=True)
    page = os.path.join(dir, "results", "reports", "browser.html")
    probed = os.path.join(dir, "probed.html")
    with open(page, encoding="utf-8") as f, open(probed, "w", encoding="utf-8") as g:
        g.write(f.read().replace("</body>", PROBE))
    for width in (1280, 500):
        dom = browse(dir, "--window-size=%d,900" % width, "--dump-dom", "file://" + probed)
        found = json.loads(html.unescape(re.search(r'<pre id="probe">(.*?)</pre>', dom, re.S).group(1)))
        assert found["up"] == sorted(found["before"]) and found["up_says"] == "ascending", found
        assert found["down"] == found["up"][::-1] and found["down_says"] == "descending", found
        assert len(set(found["up"])) == 3 and found["focused"] and found["natural"] and found["reachable"], found
        assert found["scroll"] <= found["width"], "the page is %(scroll)s wide in a window of %(width)s" % found
        assert found["titles"] and all(0 < w <= found["width"] for w in found["figures"]), found
    pdf = os.path.join(dir, "page.pdf")
    browse(dir, "--print-to-pdf=" + pdf, "file://" + page)
    with open(pdf, "rb") as f:
        data = f.read()
    assert data.startswith(b"%PDF") and len(data) > 20000, len(data)
print("ok: sorts, fits and prints")

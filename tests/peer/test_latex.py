#!/usr/bin/env python3
"""Tables in LaTeX compile: hostile texts, wide tables, absent values.  Needs pdflatex and booktabs."""
import os
import shutil
import subprocess
import sys
import tempfile

if not shutil.which("pdflatex") or not shutil.which("kpsewhich") or not subprocess.run(
        ["kpsewhich", "booktabs.sty"], capture_output=True, text=True, check=False).stdout.strip():
    print("skipped: no pdflatex with booktabs")
    sys.exit(77)

SPEC = r"""
sweep: hostile
stages:
  a:
    kind: mock
    grid: {tag: ['[x]', '*', 'a&b', '100%', '$x$', '#1', 'a_b', '{', '}', '\foo', '~', '^', '<b>', '|', "it's"]}
"""
saegrid = os.path.join(os.environ["SAEGRID_BIN"], "saegrid")
with tempfile.TemporaryDirectory() as dir:
    os.environ["SAEGRID_RESULTS"] = os.path.join(dir, "results")
    with open(os.path.join(dir, "hostile.yaml"), "w", encoding="utf-8") as f:
        f.write(SPEC)
    subprocess.run([saegrid, "run", os.path.join(dir, "hostile.yaml"), "-j", "1"], check=True, capture_output=True)
    tables = [subprocess.run([saegrid, "table", *args, "--latex"], check=True, capture_output=True, text=True).stdout
              for args in (["runs", "--columns", "tag,value,state"], ["summary"], ["definitions", "--columns", "name,help"])]
    text = "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\\tiny\n%s\\end{document}\n" % "\n\n".join(tables)
    with open(os.path.join(dir, "t.tex"), "w", encoding="utf-8") as f:
        f.write(text)
    done = subprocess.run(["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"], cwd=dir,
                          capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        print(done.stdout[-3000:])
        sys.exit("pdflatex fails")
    assert tables[0].count("\\\\") == 16, tables[0]
print("ok: %d tables compile" % len(tables))

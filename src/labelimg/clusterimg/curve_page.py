"""The curve as a page of its own that says what each threshold gives; it opens from disk and asks for nothing."""

from __future__ import annotations

import json
from html import escape

from labelimg.clusterimg.curve_drawing import axes_of, curve_svg
from labelimg.clusterimg.threshold import Curve

_WIDTH, _HEIGHT = 760, 480

_STYLE = """
:root { color-scheme: light dark; --curve-ground: #fff; --curve-text: #1d2025; --curve-faint: #646a75;
  --curve-line: #d9dce2; --curve-accent: #2563d9; --curve-second: #1f8a4c; --curve-chosen: #b3261e; --page: #f4f5f7; }
@media (prefers-color-scheme: dark) { :root { --curve-ground: #2d3036; --curve-text: #e6e8ec; --curve-faint: #9aa1ad;
  --curve-line: #3b3f47; --curve-accent: #5b93ff; --curve-second: #5fd08c; --curve-chosen: #ff8a80; --page: #25272c; } }
body { margin: 0 auto; padding: 1.5rem; max-width: 50rem; background: var(--page); color: var(--curve-text);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.2rem; margin: 0 0 .3rem; } p { color: var(--curve-faint); margin: 0 0 1rem; }
#curve { position: relative; outline-offset: 3px; border-radius: 8px; overflow: hidden; }
#curve svg { display: block; width: 100%; height: auto; }
#line { position: absolute; left: 0; right: 0; border-top: 1.5px solid var(--curve-accent); pointer-events: none; }
table { border-collapse: collapse; margin-top: 1rem; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .25rem .6rem; border-bottom: 1px solid var(--curve-line); }
th:first-child { text-align: left; } thead th { color: var(--curve-faint); font-weight: 500; }
output { font-size: 1.4rem; font-weight: 600; }
"""

_SCRIPT = """
(() => {
const {rows, top, bottom, low, height, chosen} = JSON.parse(document.getElementById("data").textContent);
const box = document.getElementById("curve"), line = document.getElementById("line");
let at = 0;
const about = v => v < 10 && v % 1 ? v.toFixed(1) : Math.round(v).toLocaleString("en");
function show(k) {
  at = Math.min(rows.length - 1, Math.max(0, k));
  const [t, ...v] = rows[at];
  document.getElementById("threshold").textContent = t.toFixed(3);
  ["p", "i", "c", "ep", "ei", "ec"].forEach((id, n) => document.getElementById(id).textContent = about(v[n]));
  line.style.top = 100 * (bottom - (t - low) / (1 - low) * (bottom - top)) / height + "%";
}
function nearest(t) {
  let best = 0;
  rows.forEach((row, k) => { if (Math.abs(row[0] - t) < Math.abs(rows[best][0] - t)) best = k; });
  return best;
}
box.addEventListener("pointermove", event => {
  const area = box.getBoundingClientRect();
  const y = (event.clientY - area.top) / area.height * height;
  show(nearest(low + (bottom - y) / (bottom - top) * (1 - low)));
});
box.addEventListener("pointerleave", () => show(nearest(chosen)));
box.addEventListener("keydown", event => {
  const step = {ArrowUp: 1, ArrowDown: -1, PageUp: 10, PageDown: -10}[event.key];
  if (step) { show(at + step); event.preventDefault(); }
});
show(nearest(chosen));
})();
"""


def curve_html(curve: Curve, threshold: float, *, title: str, reason: str) -> str:
    """The page: the curve with the threshold in it, and the numbers of the threshold that the pointer is at."""
    axes = axes_of(curve, _WIDTH, _HEIGHT)
    columns = (
        *(curve.thresholds, curve.pairs, curve.clustered, curve.clusters),
        *(curve.expected_pairs, curve.expected_clustered, curve.expected_clusters),
    )
    data = {
        "rows": [[round(float(value), 4) for value in row] for row in zip(*columns, strict=True)],
        "top": axes.top,
        "bottom": axes.bottom,
        "low": axes.low,
        "height": axes.height,
        "chosen": threshold,
    }
    told = escape(f"Threshold {threshold:.4g}: {reason}.")
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{escape(title)}</title>
<style>{_STYLE}</style>
<h1>{escape(title)}</h1>
<p>{told}</p>
<div id="curve" tabindex="0" role="application" aria-label="Point at a threshold, or use the arrow keys">
{curve_svg(curve, threshold, width=_WIDTH, height=_HEIGHT)}<div id="line"></div></div>
<table>
<thead><tr><th>threshold <output id="threshold"></output></th><th>similar pairs</th><th>images in clusters</th>
<th>clusters</th></tr></thead>
<tr><th>of the sample of {curve.sample:,}</th><td id="p"></td><td id="i"></td><td id="c"></td></tr>
<tr><th>of all {curve.count:,}, about</th><td id="ep"></td><td id="ei"></td><td id="ec"></td></tr>
</table>
<script type="application/json" id="data">{json.dumps(data)}</script>
<script>{_SCRIPT}</script>
"""

"""The page itself: what was asked and found in words, the tables, and the frame that the script fills."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from hashlib import blake2b
from html import escape
from importlib.resources import files as resources
from string import Template
from typing import Any

from labelimg.clusterimg.report.layout import HEADS, Layout
from labelimg.clusterimg.report.parts import Images, page_data, relative_url
from labelimg.clusterimg.report.reading import Result
from labelimg.errors import printable

_SIGNED = b"\n<!-- labelimg %s -->\n"  # the last line: a digest of all before it

_LISTED = 1000  # unreadable files that the page names
_HIDDEN_COLUMNS = {"seconds", "chosen"}
_DONE = {
    "copy": "copied into this folder",
    "move": "moved into this folder",
    "hardlink": "linked into this folder",
    "symlink": "linked into this folder",
    "none": "left where they are",
}


def page(result: Result, layout: Layout, images: Images, *, curve: str) -> tuple[str, str]:
    """The HTML of the page, and what its parts have to call themselves. curve: an SVG, or empty."""
    deep = result.run["settings"].get("method") == "deep"
    texts = {"heads": HEADS, **_texts(result, deep)}
    data, first = page_data(result, layout, images, texts)
    tabs = _tabs(result, layout, deep)
    title = f"{os.path.basename(str(result.root)) or str(result.root)}: {_count(len(result.folders), 'cluster')}"
    html = Template(_file("page.html")).substitute(
        title=_text(title),
        heading=_text(printable(_asked_folders(result))),
        sentence=_sentence(result),
        more=_facts(result),
        curve=_curve(curve),
        tabs="\n".join(_tab(number, *tab[:3]) for number, tab in enumerate(tabs)),
        panels="\n".join(_panel(number, kind, content()) for number, (kind, _, _, content) in enumerate(tabs)),
        orders=_orders(result),
        last_tab=len(tabs),
        footer=_footer(result),
        style=_file("page.css"),
        script=_file("page.js"),
        data=_in_script(json.dumps(data, separators=(",", ":"))[:-1] + f',"first":{first.decode()}}}'),
    )
    return html, data["run"]


def signed(html: str) -> bytes:
    """The page as it is written: it says itself whether somebody changed it."""
    content = html.encode("utf-8")
    return content + _SIGNED % _digest(content)


def is_as_signed(page: bytes) -> bool:
    """Whether a page is as `signed` made it."""
    end = len(_SIGNED % _digest(b""))
    return page[-end:] == _SIGNED % _digest(page[:-end])


def _digest(content: bytes) -> bytes:
    return blake2b(content, digest_size=16).hexdigest().encode()


def _file(name: str) -> str:
    return resources("labelimg.clusterimg.report").joinpath(name).read_text("utf-8").strip()


def _in_script(text: str) -> str:
    """JSON that cannot end the element that it is in."""
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _text(text: str) -> str:
    return escape(printable(text))


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _asked_folders(result: Result) -> str:
    folders = result.run["settings"].get("folders") or [str(result.root)]
    names = [os.path.basename(os.path.normpath(str(folder))) or str(folder) for folder in folders]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more folders" if len(names) > 3 else "")


def _sentence(result: Result) -> str:
    """What was asked and what was found, in HTML."""
    settings, n = result.run["settings"], len(result.names)
    clustered = int((result.cluster >= 0).sum())
    images = f"<b>{_count(n, 'image')}</b>"
    if settings.get("method") == "deep":
        model = _text(os.path.basename(str(settings.get("parameters", {}).get("model", "a model"))))
        asked = f"{images} {_were(n)} sorted into kinds by what the model <b>{model}</b> sees"
    else:
        threshold = settings.get("threshold")
        held = "" if threshold is None else f" and put together above a similarity of <b>{threshold:g}</b>"
        asked = f"{images} {_were(n)} compared by <b>{_text(str(settings.get('method')))}</b>{held}"
    clusters, outliers = len(result.folders), n - clustered
    if clusters:
        found = f"<b>{clustered:,}</b> of them {'is' if clustered == 1 else 'are'} in " if outliers else "All are in "
        found += f"<b>{_count(clusters, 'cluster')}</b>"
        found += f", <b>{outliers:,}</b> {'is an outlier' if outliers == 1 else 'are outliers'}." if outliers else "."
    elif outliers:
        found = "No cluster was found: " + ("it is an outlier." if outliers == 1 else "all are outliers.")
    else:
        found = "So there is nothing to show."
    lost = len(result.unreadable)
    more = f" <b>{_count(lost, 'file')}</b> could not be read." if lost else ""
    return f"{asked}. {found[0].upper()}{found[1:]}{more}"


def _were(number: int) -> str:
    return "was" if number == 1 else "were"


def _facts(result: Result) -> str:
    """What else a person may ask of the run, in a line."""
    settings, counts = result.run["settings"], result.run.get("counts", {})
    facts = [f"The images were {_DONE.get(str(settings.get('transfer')), 'sorted')}"]
    batches = counts.get("batches", 1)
    if isinstance(batches, int) and batches > 1:
        merged = "merged" if result.run.get("merged") else "not merged"
        facts.append(f"In {batches:,} batches, {merged}")
    if counts.get("skipped"):
        facts.append(f"{_count(int(counts['skipped']), 'file')} of other kinds left out")
    reason = settings.get("threshold_reason")
    if reason:
        facts.append(f"The threshold: {reason}")
    if result.run.get("reviewed"):
        facts.append("Changed by hand since")
    links = [("clusters.csv", "clusters.csv"), ("run.json", "run.json")]
    if result.models:
        links.insert(1, ("models.csv", "models.csv"))
    tables = ", ".join(f'<a href="{href}">{name}</a>' for href, name in links)
    items = "".join(f"<li>{_text(fact)}</li>" for fact in facts)
    return f'<ul class="facts">{items}<li>Tables: {tables}</li></ul>'


def _curve(curve: str) -> str:
    if not curve:
        return ""
    caption = "How many pairs would be similar at each threshold. The line is the threshold of this run."
    return f'<figure class="curve">{curve}<figcaption>{caption}</figcaption></figure>'


_Tab = tuple[str, str, int | None, Callable[[], str]]


def _tabs(result: Result, layout: Layout, deep: bool) -> list[_Tab]:
    """Kind, title, how many, and what is in it that needs no script."""
    n, inside = len(result.names), int((result.cluster >= 0).sum())

    def nothing() -> str:
        return ""

    tabs: list[_Tab] = [("clusters", "Clusters", len(result.folders), nothing)]
    tabs.append(("outliers", "Outliers", n - inside, nothing))
    if len(layout.links):
        tabs.append(("links", "Least alike" if deep else "Weakest links", len(layout.links), nothing))
    if result.found:
        tabs.append(("misses", "Nearest misses", len(layout.misses), nothing))
    if result.places is not None:
        tabs.append(("map", "Map", None, nothing))
    if result.models:
        tabs.append(("models", "Models", len(result.models), lambda: _models(result)))
    if result.unreadable:
        tabs.append(("unreadable", "Unreadable", len(result.unreadable), lambda: _unreadable(result)))
    return tabs


def _tab(number: int, kind: str, title: str, count: int | None) -> str:
    shown = "" if count is None else f'<span class="count">{count:,}</span>'
    return (
        f'<button type="button" role="tab" id="tab-{kind}" data-kind="{kind}" aria-controls="panel-{kind}"'
        f' aria-selected="{"true" if number == 0 else "false"}">{title}{shown}</button>'
    )


def _panel(number: int, kind: str, content: str) -> str:
    hidden = " hidden" if number else ""
    return f'<section role="tabpanel" id="panel-{kind}" aria-labelledby="tab-{kind}"{hidden}>{content}</section>'


def _orders(result: Result) -> str:
    orders = [("largest", "largest first"), ("smallest", "smallest first")]
    if result.folders:
        orders += [("tightest", "tightest first"), ("loosest", "loosest first")]
    orders.append(("name", "by name"))
    return "".join(f'<option value="{value}">{text}</option>' for value, text in orders)


def _texts(result: Result, deep: bool) -> dict[str, Any]:
    """What the script says that depends on the run."""
    threshold = result.run["settings"].get("threshold")
    held = "" if threshold is None else f" of {threshold:g}"
    some = result.found.get("misses_of")
    where = f" They were looked for among {some:,} of the images, taken at random." if isinstance(some, int) else ""
    links = (
        f"Of the pairs that hold a cluster together the weakest, from the threshold{held} upwards. Without such a pair"
    )
    links += " its cluster would fall apart: the first ones are the ones to doubt."
    if not result.pairs.complete:
        links += " There were so many similar pairs that only as many are listed as connect the clusters, so that"
        links += " these need not be the weakest."
    misses = f"The most similar pairs that are not together, as they are not above the threshold{held}: of two clusters"
    misses += " the one pair that comes nearest."
    if not len(result.misses):
        misses = f"No pair comes near the threshold{held} from below."
    if deep:
        links = "Images beside the representative of their cluster that they are least like: the ones to doubt."
    mapped = "The embeddings of the images on their two principal axes, coloured by cluster. Point at one to see it,"
    means = "The mean cosine similarity of its images to the representative" if deep else ""
    return {
        "similarity": "cosine similarity" if deep else "similarity",
        "tightName": "tightness",
        "tightMeans": means or "The greatest threshold below which the cluster holds together",
        "outlierLead": "Images that are in no cluster." if deep else "Images without a similar one.",
        "leads": {"links": links, "misses": misses + where, "map": f"{mapped} click to go to its cluster."},
    }


def _models(result: Result) -> str:
    columns = [column for column in result.models[0] if column not in _HIDDEN_COLUMNS]
    if not any(row.get("note") for row in result.models):
        columns = [column for column in columns if column != "note"]
    numbers = set(columns) - {"batch", "algorithm", "parameters", "note"}
    head = "".join(
        f'<th scope="col"{_number_class(column in numbers)}>{_text(column.replace("_", "-"))}</th>'
        for column in columns
    )
    rows = []
    for row in result.models:
        chosen = ' class="chosen"' if row.get("chosen") else ""
        cells = "".join(
            f"<td{_number_class(column in numbers)}>{_text(_short(row.get(column) or ''))}</td>" for column in columns
        )
        rows.append(f"<tr{chosen}>{cells}</tr>")
    lead = (
        "Every clustering that was tried, with its scores: silhouette and Calinski-Harabasz are better greater,"
        " Davies-Bouldin smaller. The one with the greatest total was taken; it is marked."
    )
    return (
        f'<p class="lead">{lead}</p><div class="wide" role="region" tabindex="0" aria-label="Models"><table><thead><tr>'
        f"{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _number_class(is_number: bool) -> str:
    return ' class="number"' if is_number else ""


def _short(text: str) -> str:
    """A score with fewer digits; anything else as it is."""
    whole, dot, _ = text.partition(".")
    return f"{float(text):.3f}" if dot and whole.lstrip("-").isdigit() and "=" not in text else text.replace(";", ", ")


def _unreadable(result: Result) -> str:
    rows = []
    for each in result.unreadable[:_LISTED]:
        name = os.path.relpath(each.path, result.root)
        url = relative_url(os.path.relpath(each.path, result.out.absolute()))
        rows.append(f'<tr><td><a href="{url}">{_text(name)}</a></td><td>{_text(each.reason)}</td></tr>')
    left = len(result.unreadable) - _LISTED
    more = f'<p class="lead">{left:,} more are in <a href="unreadable.csv">unreadable.csv</a>.</p>' if left > 0 else ""
    lead = "Files that could not be read, or not be put in place. They stay where they are."
    return (
        f'<p class="lead">{lead}</p><div class="wide" role="region" tabindex="0" aria-label="Unreadable files"><table>'
        '<thead><tr><th scope="col">file</th><th scope="col">reason</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>{more}"
    )


def _footer(result: Result) -> str:
    version = str(result.run.get("versions", {}).get("labelimg-suite", ""))
    return f"Made by labelimg {_text(version)}. Keys: <kbd>?</kbd>"

"""The pages in Markdown: links lead somewhere, code blocks run, the README quotes what is there, the API is whole."""

from __future__ import annotations

import importlib
import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
GENERATED = {"_build", "auto_examples", "generated"}
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
PAGES += [page for page in sorted((ROOT / "docs").rglob("*.md")) if not GENERATED & set(page.parts)]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))

FENCE = re.compile(r"^(`{3,}|:{3,})(.*?)\n(.*?)^\1`*\s*?$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]\[]*\]\(([^)\s]+)\)")


def blocks(page, language):
    """Contents of the fenced blocks of a page in one language."""
    return [body for _, info, body in FENCE.findall(page.read_text(encoding="utf-8")) if info.strip() == language]


def anchors(page):
    """Anchors of the headings of a page, as hosting sites make them."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def name(page):
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_relative_links_lead_somewhere(page):
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_file(), f"{link} of {name(page)} leads nowhere"
        assert not anchor or anchor in anchors(target), f"{name(target)} has no heading #{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_figures_are_made_by_examples(page):
    for example in re.findall(r"images/sphx_glr_(\w+)_\d{3}\.png", page.read_text(encoding="utf-8")):
        assert ROOT / "examples" / f"{example}.py" in EXAMPLES


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_python_blocks_run(page):
    quoted = [example.read_text(encoding="utf-8") for example in EXAMPLES]
    for block in blocks(page, "python"):
        # A doctest, whose last output an empty line must end, or an example as a whole.
        assert (block.startswith(">>> ") and block.endswith("\n\n")) or block in quoted, block


def test_readme_prints_what_the_quickstart_prints(capsys):
    runpy.run_path(str(ROOT / "examples" / "quickstart.py"), run_name="__main__")
    assert capsys.readouterr().out in blocks(ROOT / "README.md", "")


@pytest.mark.parametrize("example", [e for e in EXAMPLES if e.name.startswith("plot_")], ids=name)
@pytest.mark.filterwarnings("ignore:.*non-interactive:UserWarning")
def test_examples_run(example, monkeypatch):
    pytest.importorskip("matplotlib").use("Agg")
    if "\nimport torch\n" in example.read_text(encoding="utf-8"):
        pytest.importorskip("torch", reason="skmoe.neural needs torch")
    runpy.run_path(str(example), run_name="__main__")
    importlib.import_module("matplotlib.pyplot").close("all")


@pytest.mark.parametrize("module", ["", "families", "gates", "experts", "datasets", "inspection", "scoring", "neural"])
def test_api_page_has_every_public_name(module):
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    path = f"skmoe.{module}".rstrip(".")
    public = [public for public in importlib.import_module(path).__all__ if not public.isupper()]
    assert [f"{path}.{public}" for public in public if f"   ~{path}.{public}\n" not in page] == []

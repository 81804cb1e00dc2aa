"""Sphinx configuration: `python -m sphinx -W -b html docs docs/_build/html` builds the site, offline."""

from __future__ import annotations

import re
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path

from sphinx_gallery.sorting import ExplicitOrder

import skmoe

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

# -- project -----------------------------------------------------------------------------------------------------------

project = "skmoe"
author = "the skmoe developers"
copyright = author
version = release = skmoe.__version__

extensions = [
    "fraud",
    "mathml",
    "myst_parser",
    "numpydoc",
    "optima",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "_templates", "**/GALLERY_HEADER.rst"]
templates_path = ["_templates"]
default_role = "py:obj"

# -- pages in Markdown -------------------------------------------------------------------------------------------------

myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
myst_links_external_new_tab = False
html_math_renderer = "mathml"

# -- API ---------------------------------------------------------------------------------------------------------------

autosummary_generate = True
autodoc_typehints = "none"
autodoc_member_order = "bysource"
toc_object_entries_show_parents = "hide"  # the right column has room for methods, not for their classes too
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
# What numpydoc checks of every docstring on the API page. Summaries may run on, and sections of short methods may be
# one sentence, so only what would mislead is listed.
numpydoc_validation_checks = {"GL06", "GL07", "PR02", "PR03", "PR10", "SS02"}
numpydoc_validation_exclude = {r"\.get_params$", r"\.set_params$", r"\.score$"}

# -- examples ----------------------------------------------------------------------------------------------------------

# A script whose docstring begins with a title is a page of the gallery; others are linked as files.
_EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))
_PLAIN = [path.stem for path in _EXAMPLES if "\n=====" not in path.read_text(encoding="utf-8")[:400]]
# Scripts that need torch have a page wherever the site is built, and are run where torch is installed.
_NEURAL = [path.stem for path in _EXAMPLES if "\nimport torch\n" in path.read_text(encoding="utf-8")]
_SHOWN = [] if find_spec("torch") else _NEURAL

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": "".join(rf"(?<!\b{stem})" for stem in _SHOWN) + r"\.py$",
    "ignore_pattern": r"(^|/)(" + "|".join([*_PLAIN, "__init__"]) + r")\.py$",
    "within_subsection_order": ExplicitOrder(
        [
            "quickstart.py",
            "fraud_detection.py",
            "plot_gate_and_experts.py",
            "plot_motorcycle.py",
            "hierarchical.py",
            "drift.py",
            "plot_tree_of_gates.py",
            "plot_number_of_experts.py",
            "plot_sample_weights.py",
            "*",
        ]
    ),
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("skmoe",),
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "plot_gallery": "True",
    "abort_on_example_error": True,
    "min_reported_time": 1,
}
# Examples draw through pyplot, which has no window here.
warnings.filterwarnings("ignore", message=".*non-interactive", category=UserWarning)

# -- the site ----------------------------------------------------------------------------------------------------------

highlight_language = "none"
html_theme = "pydata_sphinx_theme"
html_title = "skmoe"
html_static_path = ["_static"]
html_css_files = ["skmoe.css"]
html_show_sourcelink = False
html_sidebars = {"install": [], "model": [], "fraud": [], "benchmarks": [], "speed": [], "glossary": []}
html_theme_options = {
    "show_prev_next": True,
    "navigation_with_keys": False,
    "header_links_before_dropdown": 7,
    "navbar_align": "left",
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
}

# -- links -------------------------------------------------------------------------------------------------------------

# Links out of the site need the internet. Anchors and files inside it are checked by the build itself (-W).
linkcheck_anchors = True
linkcheck_timeout = 10


def _skip(app, what, name, obj, skip, options):
    """Leave out what scikit-learn writes for metadata routing: it refers to scikit-learn's own pages."""
    return skip or name == "get_metadata_routing" or (name.startswith("set_") and name.endswith("_request"))


# A literal, or a name of a fitted attribute in running text, which reStructuredText would take for a link.
_FITTED = re.compile(r"(``.+?``|`.+?`)|\b([a-z]\w*)_(?=[\s,;:.)\]]|$)")
_LINK = re.compile(r":ref:`([^`<]+?)\s*(<[^`]*>)?`")


def _plain_text(app, what, name, obj, options, lines):
    """Escape names that end in an underscore, and unlink what refers to scikit-learn's own pages."""
    for i, line in enumerate(lines):
        if not line.lstrip().startswith((">>>", "...", "..")):
            line = _LINK.sub(r"\1", line)
            lines[i] = _FITTED.sub(lambda match: match[1] or match[2] + r"\_", line)


# Pages are also read as plain Markdown, where links lead to files; here they lead to the pages made from them.
_FILES = [
    (
        re.compile(r"\]\((?:\.\./)+examples/(?!(?:" + "|".join(_PLAIN or ["-"]) + r")\.py)(\w+)\.py\)"),
        r"](/auto_examples/\1.rst)",
    ),
    (re.compile(r"\]\((?:\.\./)+CONTRIBUTING\.md\)"), "](/contributing.md)"),
    (re.compile(r"\]\((?:\.\./)+CHANGELOG\.md\)"), "](/changelog.md)"),
    (re.compile(r"\]\((?:\.\./)+README\.md\)"), "](/index.md)"),
]


# What cannot be made where torch is not installed: figures of scripts that were not run, and pages of its names.
_MISSING = re.compile(
    r"^```\{figure\} \S*/sphx_glr_(?:" + "|".join(_SHOWN) + r")_\d+\.png\n.*?^```\n|^ +~skmoe\.neural\.\w+\n",
    re.MULTILINE | re.DOTALL,
)


def _to_pages(app, docname, source):
    """Turn links to files into links to pages, and drop the empty line that ends the last output of a doctest."""
    source[0] = source[0].replace("\n\n```\n", "\n```\n")
    if _SHOWN:
        source[0] = _MISSING.sub("", source[0])
    for pattern, page in _FILES:
        source[0] = pattern.sub(page, source[0])


def setup(app):
    """Connect what is defined here."""
    app.connect("autodoc-skip-member", _skip)
    app.connect("source-read", _to_pages)
    app.connect("autodoc-process-docstring", _plain_text, priority=900)  # after numpydoc

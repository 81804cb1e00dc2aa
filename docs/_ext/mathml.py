"""Equations as MathML, written by docutils during the build: no scripts, no downloads, selectable text."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from docutils.utils.math import MathError, latex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging

_log = logging.getLogger(__name__)

#: Sizes of fences, which docutils does not know.
_SIZES = re.compile(r"\\(big|Big|bigg|Bigg)[lr]?(?![a-zA-Z])")


def _mathml(node: nodes.Element, block: bool) -> str:
    latex = _SIZES.sub("", node.astext()).strip()
    if block and "\\\\" in latex and "\\begin" not in latex:
        latex = f"\\begin{{aligned}}{latex}\\end{{aligned}}"
    try:
        return latex2mathml.tex2mathml(latex, as_block=block)
    except MathError as error:
        _log.warning("%s in: %s", error, latex, location=node)
        return f"<code>{latex}</code>"


def _inline(writer: Any, node: nodes.math) -> None:
    writer.body.append(f'<span class="math">{_mathml(node, block=False)}</span>')
    raise nodes.SkipNode


def _block(writer: Any, node: nodes.math_block) -> None:
    writer.body.append(f'<div class="math">{_mathml(node, block=True)}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    """Make this renderer known as ``html_math_renderer = "mathml"``."""
    app.add_html_math_renderer("mathml", inline_renderers=(_inline, None), block_renderers=(_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}

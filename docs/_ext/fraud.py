"""Run the fraud example during the build: what it prints and draws goes into the page on fraud detection."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util import logging

_log = logging.getLogger(__name__)


def _run(app: Sphinx) -> None:
    examples, folder = app.srcdir.parent / "examples", Path(app.srcdir) / "generated" / "fraud"
    printed = folder / "printed.txt"
    sources = [examples / "fraud_detection.py", *(examples / "fraud").glob("*.py")]
    if printed.exists() and printed.stat().st_mtime > max(source.stat().st_mtime for source in sources):
        return
    folder.mkdir(parents=True, exist_ok=True)
    _log.info("running examples/fraud_detection.py, which takes some minutes")
    done = subprocess.run(
        [sys.executable, str(examples / "fraud_detection.py"), "--figures", str(folder)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "MPLBACKEND": "Agg", "PYTHONIOENCODING": "utf-8"},
    )
    if done.returncode:
        raise ExtensionError(f"examples/fraud_detection.py failed:\n{done.stderr}")
    printed.write_text(done.stdout, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Run before pages are read."""
    app.connect("builder-inited", _run)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""What is collected where an optional part is missing."""

from importlib.util import find_spec

if find_spec("torch") is None:  # the tests of this part say so themselves; doctests cannot
    collect_ignore_glob = ["skmoe/neural/*", "docs/neural/*"]

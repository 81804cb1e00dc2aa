"""Tables of what was measured: numbers as a reader wants them, and their places on the page."""

import json
import math

import numpy as np
import pytest

from benchmarks import machine, report


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        (float("nan"), "–"),
        (math.inf, "inf"),
        (0.0, "0"),
        (0.12345, "0.123"),
        (12.345, "12.3"),
        (1234.5, "1,234"),
        (-0.5, "−0.500"),
        (1.5e-7, "1.50e−07"),
        (1_000_000, "1,000,000"),
        (True, "True"),
        ("more than 300", "more than 300"),
    ],
)
def test_a_number_has_three_digits(value, shown):
    assert report.cell("seconds", value) == shown


def test_log_likelihoods_have_thousandths():
    assert report.cell("log-likelihood", -31254.12649) == "−31,254.126"
    assert report.cell("ours less theirs, nats", 0.00651) == "0.007"


def test_rows_without_a_key_have_a_dash():
    rows = [{"what": "a", "seconds": 1.0}, {"what": "b", "note": "not installed: R"}]
    assert report.markdown(rows).splitlines() == [
        "| what | seconds | note |",
        "|---|---|---|",
        "| a | 1.00 | – |",
        "| b | – | not installed: R |",
    ]


def test_what_was_measured_comes_to_its_place_on_the_page(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("Before.\n\n<!-- a -->\nold\n<!-- end of a -->\n\nBetween.\n\n<!-- b -->\n<!-- end of b -->\n")
    tables = {"Title": [{"what": "pass", "seconds": np.float64(0.25), r"a\1": 2}]}
    report.save("a", "python -m benchmarks a", tables, {"processor": "one"}, tmp_path)
    assert json.loads((tmp_path / "a.json").read_text())["tables"]["Title"][0]["seconds"] == 0.25
    for _ in range(2):  # the second time it is the same
        report.render(page, tmp_path)
        text = page.read_text()
        assert text.startswith("Before.")
        assert "old" not in text
        assert text.count("| pass | 0.250 | 2 |") == 1
        assert text.count("`python -m benchmarks a`") == 1
        assert "Measured on: processor: one." in text
        assert text.endswith("Between.\n\n<!-- b -->\n<!-- end of b -->\n")


def test_a_page_without_the_place_is_refused():
    with pytest.raises(ValueError, match="no place for 'a'"):
        report.inserted("Nothing.", {"a": {"command": "", "machine": {}, "tables": {}}})


def test_the_page_has_a_place_for_every_part_and_holds_what_was_found():
    from benchmarks.__main__ import PARTS

    page = report.PAGE.read_text(encoding="utf-8")
    for name in PARTS:
        assert page.count(f"<!-- {name} -->\n") == page.count(f"<!-- end of {name} -->") == 1
    assert report.inserted(page, report.results()) == page
    assert set(report.results()) <= set(PARTS)


def test_the_machine_is_described():
    found = machine.described()
    assert str(machine.cores()) in found["processor"]
    assert "blas" in found["BLAS"] or "mkl" in found["BLAS"]
    assert all(isinstance(text, str) and text for text in found.values())

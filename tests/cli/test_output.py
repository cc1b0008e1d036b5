"""Tables for people: times, colours, and values that do not fit."""

from __future__ import annotations

import click

from skyray.cli.output import cell, table


def test_cells_are_one_readable_line() -> None:
    assert cell(None) == ""
    assert cell(True) == "yes"
    assert cell("2026-01-02T03:04:05.678901+00:00") == "2026-01-02 03:04:05"
    assert cell("not a date at all T but long") == "not a date at all T but long"
    assert cell(["a", "b"]) == "a, b"
    assert cell({"CPU": 4.0, "GPU": 0.5}) == "CPU=4, GPU=0.5"
    assert cell("two\nlines") == "two lines"


def test_columns_are_aligned_under_their_names() -> None:
    rows = [{"task_id": "a", "state": "success"}, {"task_id": "a-long-one", "state": None}]
    assert click.unstyle(table(rows, ("task_id", "state"))).splitlines() == [
        "TASK_ID     STATE",
        "a           success",
        "a-long-one",
    ]


def test_long_values_are_cut_except_in_the_last_column() -> None:
    rows = [{"a": "x" * 100, "b": "y" * 100}]
    line = table(rows, ("a", "b")).splitlines()[1]
    assert line == "x" * 59 + "…" + "  " + "y" * 100

"""Cells of tables for other programs."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uzina.core.tables import csv_cell


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", " =", "\t@", "＝", "＠"])
def test_a_text_that_would_run_is_shown_instead(start):
    assert csv_cell(f"{start}cmd|' /C calc'!A0") == f"'{start}cmd|' /C calc'!A0"


@pytest.mark.parametrize("value", ["plain", "a=b", "", "Ș", "1+1", "'=x"])
def test_other_text_stays_as_it_is(value):
    assert csv_cell(value) == value


@pytest.mark.parametrize("value", [-5, 3, -1.5, None])
def test_numbers_stay_numbers(value):
    assert csv_cell(value) == str(value)


@given(st.text())
def test_whatever_is_typed_no_cell_begins_a_formula_and_it_survives_csv(text):
    cell = csv_cell(text)
    assert not cell.lstrip().startswith(("=", "+", "-", "@"))
    assert cell in {text, f"'{text}"}
    if "\x00" in text:
        return
    out = io.StringIO(newline="")
    csv.writer(out).writerow([cell])
    assert next(csv.reader(io.StringIO(out.getvalue(), newline=""))) == [cell]

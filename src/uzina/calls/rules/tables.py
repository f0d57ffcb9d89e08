"""Tables for other programs: no cell of them is ever run as a formula."""

import csv
import io
from collections.abc import Iterable, Sequence

from uzina.core.tables import csv_cell


def csv_of(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table as CSV by RFC 4180, each text cell made safe for spreadsheets."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(head)
    for row in rows:
        writer.writerow([csv_cell(cell) if isinstance(cell, str) else cell for cell in row])
    return out.getvalue()

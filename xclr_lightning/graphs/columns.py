"""Tables in CSV files, by column."""

import csv
from pathlib import Path

from xclr_lightning.errors import UserError


def read_columns(path: str | Path) -> dict[str, list[str]]:
    """Read a CSV file by column; a cell that a row lacks is empty.

    Raises:
        UserError: It is missing, no CSV file in UTF-8, or a row has more cells than there are columns.
    """
    file = Path(path).expanduser()
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines, restval="", strict=True)
            names, rows = list(reader.fieldnames or []), list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{file} cannot be read ({error}): a CSV file in UTF-8 is expected") from error
    for number, row in enumerate(rows, start=1):
        if None in row:
            raise UserError(
                f"{file} has more cells in row {number}, counted below the line of names, than the {len(names)} "
                "columns: put texts that have commas in quotes"
            )
    return {name: [row[name] for row in rows] for name in names}

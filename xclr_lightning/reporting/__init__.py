"""Tables and figures of finished runs."""

from xclr_lightning.reporting.groups import Group, group_runs
from xclr_lightning.reporting.run import Run, find_runs
from xclr_lightning.reporting.statistics import Paired, Spread, paired, spread
from xclr_lightning.reporting.tables import columns, difference_table, result_table

__all__ = [
    "Group",
    "Paired",
    "Run",
    "Spread",
    "columns",
    "difference_table",
    "find_runs",
    "group_runs",
    "paired",
    "result_table",
    "spread",
]

"""Tables and figures of finished runs."""

from xclr_lightning.reporting.groups import group_runs, named
from xclr_lightning.reporting.report import write_report
from xclr_lightning.reporting.run import find_runs

__all__ = ["find_runs", "group_runs", "named", "write_report"]

"""Seeing a graph before it is trained on: what is alike in it, and what it asks of a batch."""

from xclr_lightning.graphs.inspection.figure import draw_report
from xclr_lightning.graphs.inspection.in_folder import subject_in_folder
from xclr_lightning.graphs.inspection.in_use import subject_in_use
from xclr_lightning.graphs.inspection.report import Report, inspect_graph
from xclr_lightning.graphs.inspection.subject import Subject
from xclr_lightning.graphs.inspection.tables import plain_text
from xclr_lightning.graphs.inspection.words import headline, warning

__all__ = [
    "Report",
    "Subject",
    "draw_report",
    "headline",
    "inspect_graph",
    "plain_text",
    "subject_in_folder",
    "subject_in_use",
    "warning",
]

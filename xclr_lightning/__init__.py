"""Image representations learned from a similarity graph: X-Sample Contrastive Loss in PyTorch Lightning."""

from importlib.metadata import version

__version__ = version("xclr-lightning")

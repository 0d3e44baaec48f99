"""The figure that shows what was learned: the graph's similarities beside the network's own."""

import torch
from lightning import LightningModule, Trainer
from matplotlib.figure import Figure
from torch import Tensor

from xclr_lightning.callbacks.evaluation import Evaluation
from xclr_lightning.callbacks.features import features_of, projections
from xclr_lightning.callbacks.figures import after_epoch, show
from xclr_lightning.data.dataset import ViewsDataset
from xclr_lightning.drawing import CARD, SCALE
from xclr_lightning.evaluation.agreement import rank_correlation, related_groups
from xclr_lightning.graphs.inspection.naming import distinctive


class SimilarityFigure(Evaluation):
    """Similarities of groups of related captions, in the graph and in the network, before training and as it goes on.

    A cell is the mean cosine of two captions' pictures in z, on the diagonal that of different pictures of one caption;
    held-out pictures are shown where ``data.val`` is set. Logged as the figure ``graph/similarity``; ``graph/spearman``
    is the rank correlation of graph and network over all pairs of captions.

    Args:
        groups: Groups of related captions; each is a caption and its nearest ones.
        size: Captions a group.
        captions: Captions that the rank correlation covers, at most.
        every_n_epochs: How often it runs; 0 turns it off.
    """

    percent = False

    def __init__(self, groups: int = 5, size: int = 4, captions: int = 1000, every_n_epochs: int = 1) -> None:
        super().__init__(every_n_epochs)
        self.groups, self.size, self.captions = groups, size, captions

    def open(self) -> bool:
        return True

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        super().setup(trainer, pl_module, stage)
        dataset = trainer.datamodule.dataset("val", "train")  # type: ignore[attr-defined]
        self._on = self._on and dataset is not None and dataset.graph is not None
        if self._on:
            self._choose(dataset)
            self._on = len(self._names) > 2  # a rank correlation needs three pairs

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._on and not trainer.global_step:
            self._show(trainer, self._learned(trainer, pl_module), " before training")

    def evaluate(self, trainer: Trainer, module: LightningModule) -> dict[str, float]:
        learned = self._learned(trainer, module)
        self._show(trainer, learned, after_epoch(trainer))
        return {"graph/spearman": rank_correlation(self._target, learned)}

    def _show(self, trainer: Trainer, learned: Tensor, when: str) -> None:
        if trainer.is_global_zero:
            panels = {"The graph: what the captions say": self._target, f"The network{when}": learned}
            groups = related_groups(self._target, self.groups, min(self.size, len(self._names)))
            show(trainer, "graph/similarity", draw(panels, self._names, groups))

    def _choose(self, dataset: ViewsDataset) -> None:
        """Take the first pictures of each caption, for as many captions as were asked for."""
        assert dataset.graph is not None
        self._source = dataset.source
        first: dict[str, int] = {}
        self._caption = torch.tensor(
            [first.setdefault(caption, len(first)) for caption in self._source.captions()], dtype=torch.int64
        )
        self._names = list(first)[: self.captions]
        caption = self._caption.tolist()
        nodes = torch.stack([dataset.graph.nodes(caption.index(i)) for i in range(len(self._names))])
        self._target = dataset.graph.similarity(nodes, nodes)

    def _learned(self, trainer: Trainer, module: LightningModule) -> Tensor:
        """Mean cosine of the projections of two captions' different pictures. Shape: ``(captions, captions)``, CPU."""
        features = features_of(trainer, module, self._source)
        z = projections(module, features)
        caption, names = self._caption[features.index], len(self._names)
        count = caption.bincount(minlength=names)[:names].float()
        total = torch.zeros(int(self._caption.max()) + 1, z.shape[1]).index_add_(0, caption, z)[:names]
        # A picture beside itself says nothing; where there is no other, the cell is 0.
        pairs = torch.outer(count, count) - count.diag()
        return (total @ total.T - count.diag()) / pairs.clamp_min(1)


def draw(panels: dict[str, Tensor], names: list[str], groups: list[Tensor]) -> Figure:
    """Draw matrices below each other on one scale, their rows sorted into groups.

    Args:
        panels: Title → similarities, shape ``(n, n)``.
        names: Of the rows; words that all begin with are left out.
        groups: Rows to show, group by group.
    """
    rows = torch.cat(groups)
    group = torch.arange(len(groups)).repeat_interleave(torch.tensor([len(g) for g in groups]))
    related, same = group[:, None] == group, torch.eye(len(rows), dtype=torch.bool)
    height = 0.6 + 2.5 * len(panels)
    figure = Figure((CARD, height))
    left, width = 1.3 / CARD, 2.14 / CARD
    for number, (title, matrix) in enumerate(panels.items()):
        axis = figure.add_axes((left, 1 - (2.5 + 2.5 * number) / height, width, 2.1 / height))
        block = _standardised(matrix)[rows][:, rows]
        image = axis.imshow(block.numpy(), cmap=SCALE, vmin=-1, vmax=4, aspect="auto")
        others = block[~related].mean()
        near = [block[cells].mean() - others for cells in (same, related & ~same)]
        figure.text(0.03, 1 - (0.18 + 2.5 * number) / height, title, fontsize=8, weight="bold")
        means = "same caption {:+.1f}, related {:+.1f} over others".format(*near)
        figure.text(1 - 0.06 / CARD, 1 - (0.36 + 2.5 * number) / height, means, fontsize=7, ha="right")
        axis.set_xticks([])
        axis.set_yticks(range(len(rows)), distinctive([names[i] for i in rows], 24), fontsize=6.5, parse_math=False)
        axis.tick_params(length=0, pad=2)
        for edge in group.diff().nonzero().flatten().tolist():
            axis.axhline(edge + 0.5, color="white", linewidth=1)
            axis.axvline(edge + 0.5, color="white", linewidth=1)
    scale = figure.add_axes((left, 0.38 / height, width, 0.08 / height))
    bar = figure.colorbar(image, cax=scale, orientation="horizontal")
    bar.ax.tick_params(labelsize=7, pad=1, length=2)
    bar.set_label("in standard deviations over the mean", fontsize=7, labelpad=1)
    return figure


def _standardised(matrix: Tensor) -> Tensor:
    """Shift and scale by mean and deviation over pairs: the loss fixes similarities only up to a constant."""
    i, j = torch.triu_indices(len(matrix), len(matrix), offset=1)
    deviation, mean = torch.std_mean(matrix[i, j])
    return (matrix - mean) / deviation.clamp_min(1e-6)

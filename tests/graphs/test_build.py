"""A build that is killed, shared or raced gives the bytes of one that was left alone."""

import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from captioned import Captions, LetterCounts, ManyParts, content

from xclr_lightning.graphs import plan as plan_module

FORK = multiprocessing.get_context("fork")


class Slow(LetterCounts):
    """Takes a while over every unit, and notes it in a file, as a process may die before it tells."""

    log: Path

    def load_encoder(self) -> Callable[..., np.ndarray]:
        encode = super().load_encoder()

        def slowly(sentences: list[str], advance: Callable[[int], object]) -> np.ndarray:
            with self.log.open("a") as file:
                file.write(json.dumps(sentences) + "\n")
            time.sleep(0.05)
            return encode(sentences, advance)

        return slowly


@pytest.fixture
def reference(tmp_path, monkeypatch) -> dict[str, bytes]:
    """What an uninterrupted build of one process gives; the test then has an empty cache."""
    monkeypatch.setattr(plan_module, "UNIT", 16)
    monkeypatch.setenv("XCLR_CACHE", str(tmp_path / "alone"))
    files = content(LetterCounts().prepare(ManyParts()))
    monkeypatch.setenv("XCLR_CACHE", str(tmp_path / "cache"))
    return files


def slow(tmp_path: Path) -> Slow:
    graph = Slow()
    graph.log = tmp_path / "log"
    graph.log.touch()
    return graph


def encoded(graph: Slow) -> list[list[str]]:
    return [json.loads(line) for line in graph.log.read_text().splitlines()]


def texts(graph: Slow) -> list[str]:
    return list(chain.from_iterable(encoded(graph)))


def test_killed_anywhere_it_resumes_to_the_same_bytes(reference, tmp_path):
    graph, data, kills = slow(tmp_path), ManyParts(), 0
    rng = np.random.default_rng(0)
    while True:
        process = FORK.Process(target=graph.prepare, args=(data,))
        process.start()
        process.join(rng.uniform(0.05, 0.25))
        if process.exitcode is not None:
            break
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        kills += 1
        for manifest in (tmp_path / "cache" / "graphs").glob("*/graph.json"):
            assert content(manifest.parent) == reference  # nobody takes a part for the whole
    assert process.exitcode == 0
    assert kills >= 2
    assert content(graph.prepare(data)) == reference
    units = encoded(graph)
    assert len(units) <= len({tuple(unit) for unit in units}) + kills  # a kill loses at most a unit
    assert sorted(set(texts(graph))) == sorted(set(data.text))
    assert [path.name for path in (tmp_path / "cache" / "graphs").iterdir()] == [graph.prepare(data).name]


def test_two_processes_build_what_one_does(reference, tmp_path):
    graph, data = slow(tmp_path), ManyParts()
    processes = [FORK.Process(target=graph.build, args=(data, rank, 2)) for rank in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    (folder,) = (tmp_path / "cache" / "graphs").iterdir()
    assert content(folder) == reference
    assert sorted(texts(graph)) == sorted(set(data.text))  # nothing twice


def test_the_last_to_finish_puts_the_graph_in_its_place(reference, tmp_path):
    graph, data = slow(tmp_path), ManyParts()
    first = graph.build(data, 1, 2)
    assert first.folder is None
    assert 0 < first.encoded == len(texts(graph))
    second = graph.build(data, 0, 2)
    assert content(second.folder) == reference
    assert first.encoded + second.encoded == len(set(data.text))
    assert graph.build(data, 1, 2).folder == second.folder


def test_processes_that_do_the_same_work_do_no_harm(reference, tmp_path):
    graph, data = slow(tmp_path), ManyParts()
    processes = [FORK.Process(target=graph.prepare, args=(data,)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert content(graph.prepare(data)) == reference
    assert len(list((tmp_path / "cache" / "graphs").iterdir())) == 1


def test_a_dead_processs_share_is_finished_by_any_number(reference, tmp_path):
    graph, data = slow(tmp_path), ManyParts()
    assert graph.build(data, 0, 4).folder is None
    assert graph.build(data, 2, 3).folder is None
    before = len(encoded(graph))
    assert content(graph.prepare(data)) == reference
    assert len({tuple(unit) for unit in encoded(graph)}) == len(encoded(graph)) > before


def test_keys_may_recur_in_other_parts(tmp_path, monkeypatch):
    monkeypatch.setenv("XCLR_CACHE", str(tmp_path))
    data = Captions(["a", "b", "c", "d", "b"])
    graph = LetterCounts()
    graph.prepare(data)
    opened = graph.open(data)
    assert [int(opened.nodes(i).argmax()) for i in range(5)] == [0, 1, 2, 3, 1]


def test_captions_are_read_a_unit_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(plan_module, "UNIT", 16)
    monkeypatch.setenv("XCLR_CACHE", str(tmp_path))
    sizes = []

    class Streamed(ManyParts):
        def captions(self, rows: slice = slice(None)) -> list[str]:
            sizes.append(len(self.text[rows]))
            return super().captions(rows)

    data = Streamed(versions={f"{i:05}": "1" for i in range(8)})
    graph = LetterCounts()
    graph.prepare(data)
    assert max(sizes) == 40  # once for the hash of a part, else 16
    sizes.clear()
    graph.open(data)
    assert sizes == []

"""Evaluations in parts: the same whatever the parts and processes; checkpoints that go on, and those that do not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from pipes import sent
from typing import Any

import numpy as np
import pytest
from PIL import Image
from test_evaluate import DIGITS, check_fails, digits, load_split, nmc

from nmc.runtime.evaluate import Evaluation, evaluate
from nmc.runtime.fast.jit import cores
from nmc.runtime.float_model import FloatModel
from nmc.runtime.frames import FrameFolders, Pixels
from nmc.runtime.labelled import Divisible, LabelledArrays
from nmc.runtime.parallel import cluster
from nmc.runtime.parallel.checkpoint import open_checkpoint
from nmc.runtime.parallel.evaluate import Evaluated, evaluate_in_parts
from nmc.runtime.parallel.files import external_digests, shared_file, with_content
from nmc.runtime.parallel.jobs import Job, Settings
from nmc.runtime.parallel.pool import open_pool
from nmc.runtime.program import NmcError, save
from nmc.runtime.scaling import Scaling

pytestmark = pytest.mark.slow

SAMPLES = 60


def labelled(samples: int = SAMPLES) -> LabelledArrays:
    _, _, images, labels = load_split()
    return LabelledArrays({"image": images[:samples]}, labels[:samples])


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("program") / "digits.nmc"
    save(digits(), path)
    return path


def check_same(found: Evaluation, wanted: Evaluation) -> None:
    """Equal to the bit, but for the seconds."""
    assert found.rules == wanted.rules and np.array_equal(found.labels, wanted.labels)
    for rule in wanted.rules:
        assert np.array_equal(found.program[rule], wanted.program[rule])
        assert found.model is None or wanted.model is None or np.array_equal(found.model[rule], wanted.model[rule])
    assert (found.model is None) == (wanted.model is None)
    assert found.counters == wanted.counters


def run(job: Job, **options: Any) -> Evaluated:
    (done,) = evaluate_in_parts([job], **options)
    return done


class Stop(Exception):
    """Ends a run after so many calls of its progress."""

    def __init__(self, calls: int):
        self.left = calls

    def __call__(self, done: int, total: int) -> None:
        self.left -= 1
        if not self.left:
            raise self


def check_code(caught: pytest.ExceptionInfo[NmcError], code: str, text: str = "") -> None:
    assert [diagnostic.code for diagnostic in caught.value.diagnostics] == [f"NMC-{code}"]
    assert text in str(caught.value)


# --- parts ---


@pytest.mark.parametrize("part", [1, 7, 60, 1000])
def test_parts_of_any_size_give_what_one_run_gives(program: Path, part: int) -> None:
    seen = []
    done = run(Job(program, labelled()), part=part, progress=lambda *now: seen.append(now))
    assert (done.parts, done.resumed) == (-(-SAMPLES // part), 0)
    assert seen == [(min(low + part, SAMPLES), SAMPLES) for low in range(0, SAMPLES, part)]
    check_same(done.evaluation, evaluate(program, labelled()))


def test_the_float_model_runs_on_the_same_parts(program: Path) -> None:
    done = run(Job(program, labelled(), DIGITS), part=20).evaluation
    check_same(done, evaluate(program, labelled(), model=FloatModel(DIGITS, threads=1)))
    assert done.model is not None and done.agreement("largest") < 1


def test_several_jobs_share_one_queue(program: Path) -> None:
    jobs = [Job(program, labelled(30)), Job(program, labelled(50))]
    found = evaluate_in_parts(jobs, part=20)
    assert [done.parts for done in found] == [2, 3]
    for job, done in zip(jobs, found, strict=True):
        check_same(done.evaluation, evaluate(program, job.data))


class Plain:
    """Samples that can only be read."""

    def __init__(self, data: LabelledArrays):
        self.labels, self.names, self._data = data.labels, data.names, data

    def read(self, low: int, high: int) -> Any:
        return self._data.read(low, high)


def test_samples_that_cannot_be_cut_are_read_here(program: Path, tmp_path: Path) -> None:
    plain = Plain(labelled())
    assert not isinstance(plain, Divisible) and isinstance(labelled(), Divisible)
    check_same(run(Job(program, plain), part=20).evaluation, evaluate(program, labelled()))
    with pytest.raises(TypeError, match="Plain has no digest"):
        run(Job(program, plain), resume=tmp_path / "parts")


def test_digests_see_every_change() -> None:
    x, y = np.arange(6, dtype=np.float32).reshape(3, 2), np.array([0, 1, 2])
    others = [
        LabelledArrays({"a": x}, y),
        LabelledArrays({"b": x}, y),
        LabelledArrays({"a": x.astype(np.float64)}, y),
        LabelledArrays({"a": x.reshape(3, 2, 1)}, y),
        LabelledArrays({"a": x + np.eye(3, 2, dtype=np.float32)}, y),
        LabelledArrays({"a": x}, y[::-1]),
    ]
    assert len({data.digest() for data in others}) == len(others)
    assert others[0].digest() == LabelledArrays({"a": x.copy()}, y.copy(), ("p", "q", "r")).digest()


def test_frame_folders_are_cut_and_told_apart(tmp_path: Path) -> None:
    files = []
    for clip in range(3):
        for frame in range(2):
            files.append(tmp_path / f"{clip}_{frame}.png")
            Image.fromarray(np.full((4, 4), 40 * clip + frame, np.uint8)).save(files[-1])
    pixels = Pixels("clip", (2, 4, 4), 1, "HWC", 4, 4, 1)
    clips = tuple((files[2 * clip], files[2 * clip + 1]) for clip in range(3))
    data = FrameFolders(pixels, clips, np.arange(3), ("a", "b", "c"), Scaling())
    assert isinstance(data, Divisible)
    received = sent(data.cut(1, 3))
    assert received.labels.tolist() == [1, 2]
    assert np.array_equal(received.read(0, 2)["clip"], data.read(1, 3)["clip"])
    before = data.digest()
    assert before == replace(data, names=()).digest() and data.cut(0, 2).digest() != before
    assert replace(data, scaling=Scaling(1.0)).digest() != before
    os.utime(files[0], ns=(0, 0))
    assert data.digest() != before


# --- checkpoints ---


def interrupted(program: Path, path: Path, parts: int) -> None:
    """A checkpoint that has so many parts of 10 samples."""
    with pytest.raises(Stop):
        run(Job(program, labelled(), DIGITS), part=10, resume=path, progress=Stop(parts))


def test_a_run_goes_on_where_it_was_ended(program: Path, tmp_path: Path) -> None:
    job, seen = Job(program, labelled(), DIGITS), []
    whole = run(job, part=10)
    interrupted(program, tmp_path / "parts", 4)
    done = run(job, part=10, resume=tmp_path / "parts", progress=lambda *now: seen.append(now))
    assert (done.parts, done.resumed) == (6, 4) and seen == [(50, 60), (60, 60)]
    check_same(done.evaluation, whole.evaluation)
    again = run(job, part=10, resume=tmp_path / "parts", progress=lambda *now: seen.append(now))
    assert again.resumed == 6 and len(seen) == 2
    check_same(again.evaluation, whole.evaluation)
    assert again.evaluation.seconds == done.evaluation.seconds


def test_an_end_that_was_cut_off_anywhere_costs_its_part_only(program: Path, tmp_path: Path) -> None:
    job, path = Job(program, labelled(), DIGITS), tmp_path / "parts"
    wanted = run(job, part=20, resume=path).evaluation
    content = path.read_bytes()
    head, ends = content.index(b"\n") + 1, [i + 1 for i, byte in enumerate(content) if byte == ord("\n")]
    for length in {head, head + 1, *range(head, len(content), 4001), *(end - 1 for end in ends[1:]), *ends[1:]}:
        path.write_bytes(content[:length])
        done = run(job, part=20, resume=path)
        assert done.resumed == sum(end <= length for end in ends) - 1
        check_same(done.evaluation, wanted)
        seconds = [json.loads(line[65:])["gave"].pop("seconds") for line in path.read_bytes().splitlines()[1:]]
        assert len(seconds) == 3


def test_damage_is_told(program: Path, tmp_path: Path) -> None:
    job, path = Job(program, labelled(20)), tmp_path / "parts"
    wanted = run(job, part=10, resume=path).evaluation
    content = path.read_bytes()
    for place in {0, 63, 64, 65, *range(70, len(content) - 1, 331)}:
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(NmcError) as caught:
            run(job, part=10, resume=path)
        check_code(caught, "R073")
    lines = content.splitlines(keepends=True)
    for wrong in ([*lines, lines[1]], [lines[0], lines[1], lines[1]], lines[1:], [lines[0], b"\n"]):
        path.write_bytes(b"".join(wrong))
        with pytest.raises(NmcError) as caught:
            run(job, part=10, resume=path)
        check_code(caught, "R073")
    path.write_bytes(b"")
    check_same(run(job, part=10, resume=path).evaluation, wanted)


def test_a_file_of_another_kind_stays_as_it_is(program: Path, tmp_path: Path) -> None:
    for content in (b"my thesis", b"my thesis\nchapter 1", b"\x00\xff\n" * 3):
        (tmp_path / "file").write_bytes(content)
        with pytest.raises(NmcError) as caught:
            run(Job(program, labelled(10)), resume=tmp_path / "file")
        check_code(caught, "R073")
        assert (tmp_path / "file").read_bytes() == content


def test_a_checkpoint_is_of_one_run(program: Path, tmp_path: Path) -> None:
    path, job = tmp_path / "parts", Job(program, labelled())
    run(job, part=20, resume=path)
    save(digits(), tmp_path / "same.nmc")
    assert run(Job(tmp_path / "same.nmc", labelled()), part=20, resume=path).resumed == 3
    others = {
        "part": (job, 30),
        "data": (Job(program, labelled(40)), 20),
        "decay": (Job(program, labelled(), None, Settings(decay=0.5)), 20),
        "model": (Job(program, labelled(), DIGITS), 20),
    }
    for field, (other, part) in others.items():
        with pytest.raises(NmcError) as caught:
            run(other, part=part, resume=path)
        check_code(caught, "R074", f"other: {field}")
    with (
        open_checkpoint(tmp_path / "open", {}, 1),
        pytest.raises(NmcError) as caught,
        open_checkpoint(tmp_path / "open", {}, 1),
    ):
        raise AssertionError("two runs have it open")
    check_code(caught, "R074", "another run has the checkpoint open")


def test_a_folder_has_a_checkpoint_for_each_run(program: Path, tmp_path: Path) -> None:
    jobs = [Job(program, labelled(30)), Job(program, labelled(50))]
    evaluate_in_parts(jobs, part=20, resume=tmp_path)
    assert len(list(tmp_path.glob("*.nmc-parts"))) == 2
    assert [done.resumed for done in evaluate_in_parts(jobs, part=20, resume=tmp_path)] == [2, 3]
    with pytest.raises(NmcError) as caught:
        run(jobs[0], resume=tmp_path / "none" / "parts")
    check_code(caught, "F014")


# --- the command ---


def without_parts(facts: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if name not in ("parts", "resumed")}


def test_the_command_goes_on(program: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", image=labelled().arrays["image"], labels=labelled().labels)
    base = (program, "--data", tmp_path / "d.npz", "--json")
    plain = json.loads(nmc(*base).stdout)
    assert "parts" not in plain
    for resumed in (0, 6):
        done = nmc(*base, "--workers", 1, "--part", 10, "--resume", tmp_path / "parts")
        assert done.exit_code == 0, done.output
        facts = json.loads(done.stdout)
        assert (facts["parts"], facts["resumed"]) == (6, resumed) and without_parts(facts) == plain
    shown = nmc(*base[:-1], "--part", 10, "--resume", tmp_path / "parts").stdout
    assert "resumed: 6 of 6 parts were there" in shown
    check_fails(nmc(*base[:-1], "--part", 20, "--resume", tmp_path / "parts"), 4, "NMC-R074", "other: part")
    for workers in ("0", "-1", "two", "tcp://localhost:8786", ""):
        check_fails(nmc(*base[:-1], "--workers", workers), 2, "NMC-R076")


def test_without_dask(program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(NmcError) as caught, open_pool(2):
        raise AssertionError("there is no Dask")
    check_code(caught, "R070", "pip install 'nmc[dask]'")
    check_same(run(Job(program, labelled(10)), part=5).evaluation, evaluate(program, labelled(10)))


def test_dask_is_imported_only_when_asked_for() -> None:
    code = "import sys, nmc.runtime.parallel.evaluate; print([m for m in ('dask', 'distributed') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_engines_take_the_threads_that_a_process_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    have = cores()
    for text, wanted in {"1": 1, "100000": have, "0": have, "": have, "2,2": have}.items():
        monkeypatch.setenv("OMP_NUM_THREADS", text)
        assert cores() == wanted


# --- files ---


def test_shared_files_are_those_of_the_beginning(program: Path, tmp_path: Path) -> None:
    path = tmp_path / "file.nmc"
    path.write_bytes(b"1")
    shared = shared_file(path)
    sent = with_content(shared)
    assert sent == shared and sent.content == b"1" and shared.content is None
    path.write_bytes(b"2")
    with pytest.raises(NmcError) as caught, shared.local():
        raise AssertionError("the file is another one now")
    check_code(caught, "R075")
    with sent.local() as local:
        assert local.read_bytes() == b"1" and local.suffix == ".nmc"
    assert not local.exists()
    with pytest.raises(NmcError) as caught:
        shared_file(tmp_path / "none")
    check_code(caught, "R001")


def test_weights_beside_a_float_model_count(tmp_path: Path) -> None:
    import onnx

    model = onnx.load(DIGITS)
    onnx.save(model, tmp_path / "m.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    before = external_digests(str(tmp_path / "m.onnx"))
    (tmp_path / "w.bin").write_bytes((tmp_path / "w.bin").read_bytes()[:-1] + b"x")
    after = external_digests(str(tmp_path / "m.onnx"))
    assert len(before) == len(after) == 1 and before != after
    assert external_digests(str(DIGITS)) == external_digests(str(tmp_path / "w.bin")) == []


# --- processes: real ones ---

dask = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.fixture(scope="module")
def pool() -> Iterator[Any]:
    with open_pool(4) as opened:
        yield opened


@pytest.mark.slow
@dask
def test_processes_give_the_same_digits(program: Path, pool: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    job = Job(program, labelled(), DIGITS)
    wanted = run(job, part=5)
    pool.client.wait_for_workers(4, timeout=60)  # another test may have killed one
    assert len(pool.client.nthreads()) == 4
    check_same(run(job, pool=pool, part=5).evaluation, wanted.evaluation)
    address = pool.client.scheduler.address.replace("tcp://", "dask://")
    monkeypatch.setattr(cluster, "is_here", lambda file: False)  # no file system in common: bytes are sent
    with open_pool(address) as there:
        check_same(run(job, pool=there, part=5).evaluation, wanted.evaluation)


@pytest.mark.slow
@dask
def test_a_killed_worker_costs_nothing(program: Path, pool: Any) -> None:
    job, killed = Job(program, labelled()), []
    pids = sorted(pool.client.run(os.getpid).values())

    def kill(done: int, total: int) -> None:
        if not killed:
            os.kill(pids[0], signal.SIGKILL)
            killed.append(done)

    done = run(job, pool=pool, part=1, progress=kill)
    assert killed[0] < SAMPLES
    check_same(done.evaluation, run(job, part=1).evaluation)
    pool.client.wait_for_workers(4, timeout=60)
    assert pids[0] not in pool.client.run(os.getpid).values()


@pytest.mark.slow
@dask
def test_errors_of_processes_are_told(program: Path, pool: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = Job(program, labelled(), None, Settings("logits"))
    other = LabelledArrays({"image": labelled().arrays["image"] * np.nan}, labelled().labels)
    with pytest.raises(NmcError) as caught:
        run(Job(program, other, None, wrong.settings), pool=pool, part=20)
    check_code(caught, "R007")
    check_same(run(wrong, pool=pool, part=20).evaluation, run(wrong, part=20).evaluation)
    with pytest.raises(NmcError) as caught:
        list(pool.run(os.abort, [()]))
    check_code(caught, "R072", "ended every process")
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1)
    with pytest.raises(NmcError) as caught, open_pool("dask://127.0.0.1:1"):
        raise AssertionError("nobody listens there")
    check_code(caught, "R071")


@dask
def test_processes_that_do_not_start_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import distributed

    def full(**options: Any) -> None:
        raise RuntimeError("Cluster failed to start: [Errno 11] Resource temporarily unavailable")

    monkeypatch.setattr(distributed, "LocalCluster", full)
    with pytest.raises(NmcError) as caught, open_pool(7):
        raise AssertionError("there are no processes")
    check_code(caught, "R071", "7 processes cannot be started")


@pytest.mark.slow
def test_a_killed_client_loses_running_parts_only(program: Path, tmp_path: Path) -> None:
    data = labelled(300)
    np.savez(tmp_path / "d.npz", image=data.arrays["image"], labels=data.labels)
    base = ["evaluate", str(program), "--data", str(tmp_path / "d.npz"), "--part", "1", "--json"]
    kept = [*base, "--resume", str(tmp_path / "parts")]
    command = [sys.executable, "-m", "nmc.cli.main", *kept, "--workers", "2"]
    with (
        (tmp_path / "said").open("wb") as said,
        subprocess.Popen(command, stdout=said, stderr=said, env=os.environ | {"NMC_TRACEBACK": "1"}) as client,
    ):
        deadline = time.monotonic() + 240  # of a machine that has much else to do
        while client.poll() is None and time.monotonic() < deadline:
            if (tmp_path / "parts").exists() and (tmp_path / "parts").read_bytes().count(b"\n") >= 5:
                break
            time.sleep(0.01)
        client.kill()
    assert client.returncode == -signal.SIGKILL, (tmp_path / "said").read_text()
    done = nmc(*kept[1:])
    assert done.exit_code == 0, done.output
    facts = json.loads(done.stdout)
    assert facts["parts"] == 300 and 4 <= facts["resumed"] < 300
    assert without_parts(facts) == without_parts(json.loads(nmc(*base[1:]).stdout))

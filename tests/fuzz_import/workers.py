"""Cases run in processes of their own, with limits on time and memory; one that breaks them is ended and reported."""

from __future__ import annotations

import multiprocessing
import os
import resource
import tempfile
from collections.abc import Iterable, Iterator
from multiprocessing.connection import Connection, wait
from pathlib import Path
from time import monotonic

from .cases import files_of, write
from .corpus import MADE, corpus
from .hostile import MODEL
from .verdict import Verdict, judge

SECONDS = 10.0  # of processor time, so that a busy machine makes no findings
WALL_SECONDS = 60.0  # a process that waits uses no processor
MEMORY = 2 << 30
_CONTEXT = multiprocessing.get_context("fork")  # a started interpreter with everything imported takes no second


def _address_space() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _serve(connection: Connection) -> None:
    """Judge case after case; send (stage, None) where one begins and ("", verdict) in the end."""
    resource.setrlimit(resource.RLIMIT_AS, (_address_space() + MEMORY, resource.RLIM_INFINITY))
    while True:
        number = connection.recv()
        if number is None:
            return
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)  # reproducers go here
            path = write(files_of(number)[1], Path(folder))
            verdict = judge(path, lambda stage: connection.send((stage, None)))
            os.chdir("/")
        connection.send(("", verdict))


class _Worker:
    def __init__(self) -> None:
        self.connection, other = _CONTEXT.Pipe()
        self.process = _CONTEXT.Process(target=_serve, args=(other,), daemon=True)
        self.process.start()
        other.close()
        self.number, self.stage, self.since, self.used = -1, "", 0.0, 0.0

    def _begin(self, stage: str) -> None:
        self.stage, self.since, self.used = stage, monotonic(), _processor_seconds(self.process.pid or 0)

    def give(self, number: int) -> None:
        self.number = number
        self._begin("start")
        self.connection.send(number)

    def take(self) -> Verdict | None:
        """The verdict, if there is one by now. One that died or is late is ended."""
        try:
            while self.connection.poll():
                stage, verdict = self.connection.recv()
                if verdict is not None:
                    return verdict
                self._begin(stage)
        except EOFError:
            self.process.join()
            return self._lost("died", f"exit status {self.process.exitcode}")
        used = _processor_seconds(self.process.pid or 0) - self.used
        if used > SECONDS or monotonic() - self.since > WALL_SECONDS:
            self.end()
            return self._lost("hang", f"more than {SECONDS:.0f} s")
        return None

    def _lost(self, kind: str, why: str) -> Verdict:
        # what onnxruntime does with a damaged file is not nmc's
        return Verdict("compiled" if self.stage == "compare" else kind, detail=f"{why} in stage {self.stage}")

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


def run(numbers: Iterable[int], jobs: int) -> Iterator[tuple[int, Verdict]]:
    """The verdict on every case, in the order in which they end."""
    for content in map(
        corpus().__getitem__, MADE
    ):  # so that no process has to import anything, nor compile it for numba
        with tempfile.TemporaryDirectory() as folder:
            judge(write({MODEL: content}, Path(folder)), lambda stage: None, compare=False)
    waiting = iter(numbers)
    busy: list[_Worker] = []
    idle = [_Worker() for _ in range(jobs)]
    while True:
        while idle and (number := next(waiting, None)) is not None:
            worker = idle.pop()
            worker.give(number)
            busy.append(worker)
        if not busy:
            break
        wait([worker.connection for worker in busy], timeout=0.5)
        for worker in list(busy):
            verdict = worker.take()
            if verdict is not None:
                yield worker.number, verdict
                busy.remove(worker)
                idle.append(worker if worker.process.is_alive() else _Worker())
    for worker in idle:
        worker.end()

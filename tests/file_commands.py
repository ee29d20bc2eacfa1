"""Every command that writes files, run in copies of a process that are killed while they write, or find the disk full.

`python file_commands.py FOLDER` prints what came of each as a JSON list; tests/test_robust_writes.py says what must.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from akida_programs import random_program
from golden_runs import small_case
from hybrid_nets import NETS
from nir_files import chain, lif, saved

from nmc.cli.main import main
from nmc.runtime.program import save
from onnx_models import Net

TEMPORARY = ".nmc-*.tmp"
OLD, NEW = 0, 1
GATED = (3, 10, 10)
# What each command is given, in a folder with what `prepare` makes; {v} is the number of the content.
COMMANDS = {
    "compile": "compile net{v}.onnx --target cri --timesteps 3 -o out/net.nmc",
    "compile --host-fallback": "compile gated{v}.onnx --target akida --host-fallback --calibration g.npy -o out/n.nmc",
    "compile --dump-ir": "compile net{v}.onnx --target cri --dump-ir out/ir -o net.nmc",
    "simulate": "simulate cri0.nmc --input x{v}.npy --engine reference -o out/y.npz",
    "import": "import akida{v}.akida.json -o out/net.nmc",
    "export akida-json": "export akida{v}.nmc --format akida-json -o out/net.akida.json",
    "export hs-api": "export cri{v}.nmc --format hs-api -o out/net",
    "export hbm": "export cri{v}.nmc --format hbm -o out/net",
    "export nir": "export net{v}.nir --format nir --dt 0.0001 -o out/net.nir",
    "export segments": "export hybrid{v}.nmc --format akida-json -o out/net",
    "export onnx": "export akida{v}.nmc --format onnx -o out/net.onnx",
    "report": "report cri{v}.nmc -o out/net.html",
    "golden record": "golden record out/small.toml",
    "golden check --junit": "golden check case{v}/small.toml --junit out/report.xml",
}
# How files that belong together are read again: some of them old, some new, must be refused.
READERS = {
    "export akida-json": "import out/net.akida.json -o read.nmc",
    "export hs-api": "import out/net -o read.nmc",
    "export hbm": "import out/net -o read.nmc",
}
SEVERAL = (*READERS, "export segments", "compile --dump-ir")


@dataclass
class Outcome:
    """What one broken write left.

    status  exit code of the command, or minus the signal that ended it; `said` is what it printed
    parts   files that are neither as before nor as a whole run writes them
    state   "old", "new" or "both": what the files are, all together
    left    temporary files
    reader  exit code of the command that reads the files, where there is one and their state is "both"
    after   does the next run write what a run in an empty folder does?
    """

    command: str
    how: str
    status: int
    said: str
    parts: list[str] = field(default_factory=list)
    state: str = ""
    left: int = 0
    reader: int | None = None
    after: bool | None = None


def network(seed: int) -> Net:
    net = Net(seed=seed)
    x = net.input("x", (1, 4))
    y = net.op("Relu", net.op("Gemm", x, net.weight(4, 6), net.weight(6)))
    net.output(net.op("Gemm", y, net.weight(6, 3), net.weight(3)), "y")
    return net


def prepare(folder: Path, chosen: list[str]) -> None:
    """What the chosen commands read."""
    read = " ".join(COMMANDS[name] for name in chosen)
    for v in (OLD, NEW):
        network(v).save(folder, f"net{v}.onnx")
        np.save(folder / f"x{v}.npy", np.full((3, 4), 0.25 + v / 2, np.float32))
        save(random_program(v), folder / f"akida{v}.nmc")
        if ".nir" in read:
            saved(folder / f"net{v}.nir", chain(lif(3, tau=20.0 + v), given=(3,), found=(3,)))
        if "cri" in read:
            run(f"compile net{v}.onnx --target cri --profile hw2024 --timesteps 3 -o cri{v}.nmc")
        if ".akida.json" in read:
            run(f"export akida{v}.nmc --format akida-json -o akida{v}.akida.json")
        if "golden" in read:
            case = folder / f"case{v}"
            case.mkdir()
            small_case(case, seed=v, model=folder.resolve() / "net0.onnx")
            run(f"golden record case{v}/small.toml")
    if "gated" in read or "hybrid" in read:
        _prepare_hybrid(folder)


def _prepare_hybrid(folder: Path) -> None:
    np.save(folder / "g.npy", np.random.default_rng(0).random((1, *GATED)))
    for v in (OLD, NEW):
        gated = NETS["gated_image"]()
        weight = gated.initializers[0]
        weight.raw_data = (np.frombuffer(weight.raw_data, "<f4") * (1 + v)).tobytes()
        gated.save(folder, f"gated{v}.onnx")
        run(f"compile gated{v}.onnx --target akida --host-fallback --calibration g.npy -o hybrid{v}.nmc")


# --- running a command in a copy of this process ---


def child(line: str, before: Callable[[], object]) -> tuple[int, str]:
    """Exit code, or minus a signal, and what it printed (to a pipe, since files may be limited)."""
    get, put = os.pipe()
    sys.stdout.flush()
    process = os.fork()
    if process == 0:
        os.dup2(put, 1)
        os.dup2(put, 2)
        before()
        try:
            main(line.split(), standalone_mode=False)
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        sys.stdout.flush()
        os._exit(code)
    os.close(put)
    with os.fdopen(get) as stream:
        said = stream.read()
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    return status, said


def run(line: str) -> int:
    status, said = child(line, lambda: None)
    if status:
        raise RuntimeError(f"{line}: {status}\n{said}")
    return status


def at_size(size: int, action: Any) -> Callable[[], None]:
    """No file may grow beyond `size`: with SIG_DFL the process is ended in the midst of writing one, with SIG_IGN the
    write fails as on a full disk."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, action)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


def at_rename(number: int, action: Callable[[], object]) -> Callable[[], None]:
    """`action` instead of the rename of that number, counted from 1."""
    seen = 0

    def look(event: str, arguments: Any) -> None:
        nonlocal seen
        if event == "os.rename" and ".nmc-" in str(arguments[0]):
            seen += 1
            if seen == number:
                action()

    return lambda: sys.addaudithook(look)


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def no_space() -> None:
    raise OSError(28, "No space left on device")


# --- what is there ---


def contents() -> dict[str, str]:
    """sha256 of all files of `out` but temporary ones, by name."""
    files = [path for path in sorted(Path("out").rglob("*")) if path.is_file()]
    kept = [path for path in files if not path.match(TEMPORARY)]
    return {str(path): sha256(path.read_bytes()).hexdigest() for path in kept}


def start(name: str, version: int) -> str:
    """The command line for a content, after what it needs in `out`."""
    if name == "golden record":
        shutil.copy(f"case{version}/small.toml", "out/small.toml")
    return COMMANDS[name].format(v=version)


def attempts(sizes: list[int], several: bool) -> Iterator[tuple[str, Callable[[], None]]]:
    """Ways in which a write breaks, by name."""
    size = sizes[-1] - 1 if several else sizes[-1] // 2  # the smaller files are written, the largest is not
    yield f"killed at byte {size}", at_size(size, signal.SIG_DFL)
    yield f"full at byte {size}", at_size(size, signal.SIG_IGN)
    for number in (1, 2) if several else (1,):
        yield f"killed at rename {number}", at_rename(number, kill)
    yield "full at rename 1", at_rename(1, no_space)


def broken(name: str) -> Iterator[Outcome]:
    shutil.rmtree("out", ignore_errors=True)
    Path("out").mkdir()
    run(start(name, OLD))
    old = contents()
    shutil.copytree("out", "before", dirs_exist_ok=False)
    line = start(name, NEW)
    given = contents()
    run(line)
    new = contents()
    sizes = sorted(Path(path).stat().st_size for path, found in new.items() if old.get(path) != found)
    for how, before in attempts(sizes, name in SEVERAL):
        shutil.rmtree("out")
        shutil.copytree("before", "out")
        line = start(name, NEW)
        made = Outcome(name, how, *child(line, before))
        found = contents()
        changed = {path for path in new if given.get(path) != new[path]}
        made.parts = [p for p, digest in found.items() if digest not in (given.get(p), new.get(p))]
        made.parts += [path for path in given if path not in found]
        states = {"new" if found.get(path) == new[path] else "old" for path in changed}
        made.state = states.pop() if len(states) == 1 else "both"
        made.left = sum(1 for _ in Path("out").rglob(TEMPORARY))
        if name in READERS and made.state == "both":
            made.reader = child(READERS[name], lambda: None)[0]
        if how == "killed at rename 1":
            run(line)
            made.after = contents() == new or "--junit" in name  # reports say how long a case took
        yield made
    shutil.rmtree("before")


if __name__ == "__main__":
    os.chdir(sys.argv[1])
    chosen = sys.argv[2:] or list(COMMANDS)
    prepare(Path(), chosen)
    print(json.dumps([asdict(outcome) for name in chosen for outcome in broken(name)]))

"""Are programs the same bytes whatever the hash seed, the threads, the folder, and the processor's kernels?

`python -m determinism` (from tests/) compiles the golden zoo in one process for each setting of SETTINGS and compares
the bytes of every program file with those of the first.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

ZOO = Path(__file__).parent.parent / "golden_zoo"
LARGE = ("dvs_gesture",)  # 53 million synapses: only where it is asked for

Digests = dict[str, str]


def simd_targets() -> str:
    """The instruction sets beyond the least that numpy was built for and this processor has."""
    from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

    return " ".join(name for name in __cpu_dispatch__ if __cpu_features__.get(name))


def settings() -> dict[str, dict[str, str]]:
    """Environment variables by what they stand for. `cwd` is no variable but the folder."""
    cores = {
        f"BLAS for {name}": {"OPENBLAS_CORETYPE": name} for name in ("Nehalem", "Sandybridge", "Haswell", "SkylakeX")
    }
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    return {
        "as it is": {},
        "hash seed 0": {"PYTHONHASHSEED": "0"},
        "hash seed 4711": {"PYTHONHASHSEED": "4711"},
        "1 thread": dict.fromkeys(threads, "1"),
        "2 threads": dict.fromkeys(threads, "2"),
        "another folder": {"cwd": "/"},
        **cores,
        "numpy without SIMD": {"NPY_DISABLE_CPU_FEATURES": simd_targets()},
        "torch without SIMD": {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"},
    }


def cases(names: Iterable[str] = ()) -> list[Path]:
    """The zoo's cases of these names, by default all but the large ones."""
    wanted = list(names) or [path.stem for path in sorted(ZOO.glob("*.toml")) if path.stem not in LARGE]
    return [ZOO / f"{name}.toml" for name in wanted]


def programs(paths: Sequence[Path], setting: Mapping[str, str], python: str = sys.executable) -> Digests:
    """sha256 of the program file of every case, compiled in a new process."""
    variables = {name: value for name, value in setting.items() if name != "cwd"}
    done = subprocess.run(
        [python, "-W", "ignore", Path(__file__).with_name("compile_cases.py"), *(path.resolve() for path in paths)],
        env={**os.environ, **variables},
        cwd=setting.get("cwd"),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{setting}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def differences(first: Digests, other: Digests) -> list[str]:
    """Cases of which the programs differ."""
    return sorted(name for name in first.keys() | other.keys() if first.get(name) != other.get(name))

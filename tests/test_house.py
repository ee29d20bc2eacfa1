"""The layout: which folder may import which, what loads when, and that the wheel holds every package."""

import ast
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import nmc.compiler
import nmc.runtime
import nmc.runtime.program

ROOT = Path(__file__).parent.parent
FOLDERS = ("compiler", "backends", "runtime", "cli")
ALLOWED = {
    "compiler": {"compiler"},
    "backends": {"backends", "compiler"},
    "runtime": {"runtime"},
    "cli": {"cli", "backends", "compiler", "runtime"},
}
LIGHT = ("runtime.arith", "runtime.program.timing", "runtime.program.html_table")
LEAVES = ("runtime.arith", "runtime.program")


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> list[str]:
    """Modules that a file imports, those of nmc as `compiler.ir`, others by their full name."""
    package = list(path.relative_to(ROOT).parts[:-1])
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            whole = ".".join([*base, *(node.module or "").split(".")]).rstrip(".")
            whole_module = node.module and whole not in FOLDERS
            found += [whole] if whole_module else [f"{whole}.{alias.name}".lstrip(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append(node.module or "")
    return found


SOURCES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


def test_dependencies_point_one_way() -> None:
    wrong = []
    for path in SOURCES:
        home = path.relative_to(ROOT).parts[0]
        for name in imports(path):
            top = name.split(".")[0]
            leaf = any(name == leaf or name.startswith(leaf + ".") for leaf in LEAVES)
            if top in FOLDERS and top not in ALLOWED[home] and not (leaf and home in ("compiler", "backends")):
                wrong.append(f"{module_name(path)} imports {name}")
            if top == "nmc":
                wrong.append(f"{module_name(path)} imports {name} by its installed name")
    assert wrong == []


def test_leaves_of_the_runtime_import_nothing_else_of_it() -> None:
    for path in SOURCES:
        name = module_name(path)
        if name.startswith(LEAVES):
            outside = [i for i in imports(path) if i.startswith("runtime") and not i.startswith(LEAVES)]
            assert outside == [], name


def test_the_ir_needs_numpy_only() -> None:
    known = {"numpy", *sys.stdlib_module_names}
    for path in SOURCES:
        if module_name(path).startswith("compiler.ir"):
            for name in imports(path):
                assert name.split(".")[0] in known | {"compiler", "runtime"}, f"{path.name} imports {name}"
                assert not name.startswith("runtime.") or name in LIGHT


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("from nmc.runtime import Session, load; Session", "onnx onnxruntime torch nmc.compiler networkx rich"),
        ("import nmc.compiler.ir", "onnx onnxruntime torch networkx safetensors"),
        ("from nmc.compiler import compile_model", "onnx onnxruntime torch nmc.backends"),
        ("import nmc.cli.main", "numpy onnx rich nmc.compiler nmc.runtime"),
    ],
)
def test_heavy_things_load_only_when_used(statement: str, absent: str) -> None:
    code = f"import sys; {statement}; print([m for m in {absent.split()} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_of_the_lazy_packages_is_there() -> None:
    for package in (nmc.runtime, nmc.runtime.program, nmc.compiler):
        assert [name for name in package.__all__ if getattr(package, name, None) is None] == []


def test_no_pickle_is_loaded_and_no_debugger_is_left() -> None:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                assert name not in ("pickle.load", "pickle.loads", "breakpoint", "eval", "exec"), path
                assert not any(k.arg == "allow_pickle" and ast.unparse(k.value) != "False" for k in node.keywords), path


@pytest.mark.slow
def test_the_wheel_holds_every_package_and_runs(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    missing = [str(path.relative_to(ROOT)) for path in SOURCES if f"nmc/{path.relative_to(ROOT)}" not in inside]
    assert missing == []
    assert not any(name.split("/")[0] in FOLDERS for name in inside)
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", str(wheel)], check=True)
    done = subprocess.run([tmp_path / "venv" / "bin" / "nmc", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("nmc 0.")
    done = subprocess.run(
        [tmp_path / "venv" / "bin" / "nmc", "targets"], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert "HiAER-Spike" in done.stdout

"""Writes the pages of docs/reference that are made from code: ops, passes, targets, diagnostics, commands, …

`python docs/generate.py` rewrites them; tests check that they are current.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from dataclasses import MISSING, fields, is_dataclass
from itertools import islice
from pathlib import Path
from typing import get_args, get_type_hints

import click

from nmc.cli.commands.passes import pipelines
from nmc.cli.explanations import EXPLANATIONS, MEANINGS, sentence
from nmc.cli.main import COMMANDS, main
from nmc.compiler.ir.ops.base import REGISTRY
from nmc.compiler.ir.stages import STAGES
from nmc.compiler.passes import PASSES
from nmc.compiler.pipeline import load_class
from nmc.compiler.target import find_target, target_names
from nmc.runtime.program import Exit
from nmc.runtime.program.akida_kinds import PARAMETERS
from nmc.runtime.program.container import KINDS

FOLDER = Path(__file__).parent / "reference"
NOTE = "<!-- made by docs/generate.py -->\n"


def _doc(thing: object) -> str:
    return inspect.cleandoc(getattr(thing, "__doc__", "") or "")


def ops() -> str:
    """Every op of the IR with its operands, attributes and equation."""
    parts = [f"# Ops\n{NOTE}\nWhat each op means, and the stages (columns) in which it is legal.\n"]
    parts += [f"- `{stage.name}`: {stage.meaning}" for stage in STAGES.values()]
    parts.append("\n| op | " + " | ".join(STAGES) + " |\n|---|" + "---|" * len(STAGES))
    for name in sorted(REGISTRY):
        marks = ["yes" if name in stage.ops else "" for stage in STAGES.values()]
        parts.append(f"| {name} | " + " | ".join(marks) + " |")
    for name, op in sorted(REGISTRY.items()):
        attributes = [f.name if f.default is MISSING else f"{f.name}={f.default!r}" for f in fields(op)]
        given = f" {{{', '.join(attributes)}}}" if attributes else ""
        parts.append(f"\n## {name}\n\n`{name}({', '.join(op.operands)}){given}`\n\n```text\n{_doc(op)}\n```")
    return "\n".join(parts) + "\n"


def passes() -> str:
    """Every pass with its options, and the targets' pipelines."""
    targets = [find_target(name) for name in target_names()]
    known = dict(PASSES)
    for target in targets:
        known |= target.passes
    parts = [f"# Passes\n{NOTE}"]
    for target in targets:
        for kind, text in pipelines(target).items():
            parts.append(f"Pipeline of target `{target.name}` for {kind} networks: `{text}`\n")
    for name, path in sorted(known.items()):
        cls = load_class(path)
        options = ", ".join(f"{f.name}={f.default}" for f in fields(cls))
        parts.append(f"## {name}\n\n`{name}{{{options}}}`\n" if options else f"## {name}\n")
        parts.append(f"Takes stage {' or '.join(cls.takes)}, gives {cls.gives or 'the same'}. ")
        parts.append("It keeps the outputs.\n" if cls.preserves else "It changes the outputs (quantization).\n")
        parts.append(f"```text\n{_doc(cls)}\n```\n")
    return "\n".join(parts)


def diagnostics() -> str:
    """Every diagnostic code and exit code."""
    parts = [f"# Diagnostics\n{NOTE}\n| exit code | meaning |\n|---|---|"]
    meanings = (
        "done",
        "a check failed (mismatch, regression), or nmc itself is at fault (NMC-X001)",
        "usage, also a missing --input-shape",
        "the model is not supported as asked",
        "a file or array is missing, damaged, not what it claims, unwritable, of wrong shape or dtype, or holds NaN",
        "a stated limit is exceeded",
    )
    parts += [f"| {int(code)} | {meaning} |" for code, meaning in zip(Exit, meanings, strict=True)]
    parts.append("\n`nmc explain CODE` prints what is below, `nmc explain MODEL --target T` what concerns a model.")
    parts.append("\n| code | meaning |\n|---|---|")
    parts += [f"| [{code}](#{code.lower()}) | {meaning} |" for code, meaning in sorted(MEANINGS.items())]
    for code, entry in sorted(EXPLANATIONS.items()):
        meaning = f"\n## {code}\n\n{sentence(code)}. {entry.why}"
        parts.append(f"{meaning}\n\n{entry.remedy}\n\n```text\n{entry.example}\n```")
    return "\n".join(parts) + "\n"


def command_line() -> str:
    """The help texts of all commands."""
    parts = [f"# Command line\n{NOTE}"]
    root = click.Context(main, info_name="nmc", terminal_width=100, **main.context_settings)
    for name in ("", *COMMANDS):
        command = main.get_command(root, name) if name else main
        assert command is not None
        context = click.Context(command, info_name=name, parent=root) if name else root
        parts.append(f"## nmc {name}".rstrip() + f"\n\n```text\n{command.get_help(context)}\n```\n")
        for part, below in sorted(command.commands.items()) if isinstance(command, click.Group) and name else ():
            inner = click.Context(below, info_name=part, parent=context)
            parts.append(f"## nmc {name} {part}\n\n```text\n{below.get_help(inner)}\n```\n")
    return "\n".join(parts)


def targets() -> str:
    """Every target with its options and what it says of its machines."""
    parts = [f"# Targets\n{NOTE}\nWhat `nmc targets` shows. A target may also come from another package.\n"]
    for target in map(find_target, target_names()):
        parts.append(
            f"## {target.name}\n\n{target.summary}.\n\nTakes networks of these kinds: {', '.join(target.networks)}.\n"
        )
        parts.append(f"```text\n{_doc(target.options)}\n```\n")
        given = [(field.name, "" if field.default is None else field.default) for field in fields(target.options)]
        parts.append(_table(["option", "default"], given))
        for name, facts in target.facts().items():
            rows = [facts] if isinstance(facts, dict) else facts
            parts.append(
                f"### {name.capitalize()} of {target.name}\n\n" + _table(list(rows[0]), [row.values() for row in rows])
            )
    return "\n".join(parts)


def program_records() -> str:
    """The records of every kind of program, field by field, with the parameters of Akida's layers."""
    parts = [
        f"# Program records\n{NOTE}\nThe fields of the JSON in [a program file](../program_file.md), record by record."
    ]
    parts.append("Fields marked optional are left out where they have their default. Arrays lie beside the JSON.\n")
    found: list[type] = []
    for name, kind in KINDS.items():
        parts.append(f"## {name}\n")
        first = len(found)
        found.append(kind.record)
        for record in islice(found, first, None):  # grows while it is walked: records of records come behind
            hints = get_type_hints(record).values()
            found += dict.fromkeys(r for hint in hints for r in _records(hint) if r not in found)
            rows = [(f.name, f"`{f.type}`", "optional" if f.metadata else "") for f in fields(record)]
            parts.append(f"### {record.__name__} ({name})\n\n```text\n{_doc(record)}\n```\n")
            parts.append(_table(["field", "type", ""], rows))
    parts.append("## Layers of akida\n\nThe parameters that a layer of each kind has ([what they do](../akida.md)).\n")
    parts.append(_table(["kind", "parameters"], [(kind, ", ".join(names)) for kind, names in PARAMETERS.items()]))
    return "\n".join(parts)


def _records(hint: object) -> list[type]:
    """The dataclasses in a type."""
    if isinstance(hint, type) and is_dataclass(hint):
        return [hint]
    return [record for part in get_args(hint) for record in _records(part)]


def _table(columns: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table. None is an empty cell."""
    lines = [list(map(str, columns)), ["---"] * len(columns)]
    lines += [["" if cell is None else str(cell).replace("|", "\\|") for cell in row] for row in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


PAGES = {
    "ops.md": ops,
    "passes.md": passes,
    "targets.md": targets,
    "program_records.md": program_records,
    "diagnostics.md": diagnostics,
    "cli.md": command_line,
}


def pages() -> dict[Path, str]:
    """Content of every generated page by path."""
    return {FOLDER / name: make() for name, make in PAGES.items()}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    import operator_coverage  # beside this script; takes seconds, as it compiles networks

    for path, content in {**pages(), FOLDER / "coverage.md": operator_coverage.page()}.items():
        path.write_text(content, encoding="utf-8")
        print(path.name)

"""Tables in terminals of several widths, and in files."""

from __future__ import annotations

import pytest
from rich.console import Console

from nmc.cli import tables

COLUMNS = ["layer", "kind", "parameters", "MACs", "a long remark", "last"]
ROWS = [
    ["blocks.0.0.0.conv.temporal", "BufferTempConv", "1,944", "69,120", "read by two others", "x"],
    ["b", "Conv2D", "1,234,567,890", "", "no", "y"],
]


def lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int | None) -> list[str]:
    """What a terminal of that width shows, or what a file gets."""

    def console(**options: object) -> Console:
        given = {"width": width, **options, "force_terminal": width is not None, "color_system": None}
        return Console(**given)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr("rich.console.Console", console)
    tables.print_table("", COLUMNS, ROWS)
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    ("width", "left_out"),
    [
        (160, ""),
        (75, "last"),
        (60, "a long remark, last"),
        (8, "kind, parameters, MACs, a long remark, last"),
    ],
)
def test_columns_that_do_not_fit_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int, left_out: str
) -> None:
    shown = lines(monkeypatch, capsys, width)
    said = f"left out for want of room: {left_out}; a wider terminal or a file gets all"
    assert (said in shown) == bool(left_out)
    assert all(len(line) <= width for line in shown if line != said)
    text = "\n".join(shown)
    if "parameters" not in left_out:
        assert "1,234,567,890" in text and "69,120" in text  # numbers are never folded


def test_a_file_gets_words_whole(capsys: pytest.CaptureFixture[str]) -> None:
    word = "/a/folder/with/a/long/name" * 4
    tables.print_table("", ["part", word, "/other" + word], [["node_relu.release", "1", "a remark in words"]])
    shown = capsys.readouterr().out
    assert "node_relu.release" in shown and f" {word} " in shown


def test_a_file_gets_all_columns(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    text = "\n".join(lines(monkeypatch, capsys, None))
    assert "left out" not in text and "blocks.0.0.0.conv.temporal" in text
    assert all(column in text for column in COLUMNS)


def test_numbers_are_aligned_to_the_right(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    shown = lines(monkeypatch, capsys, 160)
    first = next(line for line in shown if "1,944" in line)
    second = next(line for line in shown if "1,234,567,890" in line)
    assert first.index("1,944") + 5 == second.index("1,234,567,890") + 13

"""The runner behind `make docs-test`, and what it is told to leave out. The pages themselves run there, not here."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from doc_pages.blocks import ROOT, blocks, pages
from doc_pages.outputs import matches
from doc_pages.page import run_page

# Every block that is not run. A new one needs a reason that a reader accepts: the aim is that all commands are run.
SKIPPED = {
    "README.md": ["make installs packages", "the runner has its own environment"],
    "docs/evaluate.md": ["a data set that is not shipped"],
    "docs/host_segments.md": ["the file is an example; tests/test_host_segments_cli.py compiles its like"] * 2,
    "docs/hs_api.md": ["hs_api is not installed for the tests"],
    "docs/install.md": ["installs packages"],
    "docs/keras.md": ["TensorFlow is not installed for the tests"],
    "docs/mpi.md": ["installs packages"],
    "docs/quality.md": ["runs for many minutes"],
    "examples/digits/README.md": ["overwrites the shipped networks"],
    "examples/dvs_gesture/README.md": [*["a data set that is not shipped"] * 2, "overwrites the shipped weights"],
    "examples/gestures/README.md": ["overwrites the shipped networks"],
    "examples/gestures_qat/README.md": ["overwrites the shipped network"],
    "examples/moving_events/README.md": ["overwrites the shipped weights"],
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder; a page's run changes the working folder and the import path, which are put back."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


def test_blocks_that_are_not_run_are_these() -> None:
    found = {
        page.relative_to(ROOT).as_posix(): [b.argument for b in blocks(page.read_text()) if b.directive == "skip"]
        for page in pages()
    }
    assert {page: reasons for page, reasons in found.items() if reasons} == SKIPPED


def test_a_page_that_works(folder: Path) -> None:
    page = """
<!-- docs-test: file made/names.txt -->
```text
left
right
```

1. In a list:

   ```console
   $ cat made/names.txt
   left
   right
   $ echo "in 12.5 s"; false  # exit code 1
   in 1 s
   $ seq 9
   1
   …
   9
   ```

```python
number = 6
```

```sh
test -d examples
echo 7 > seven
```

```python
from pathlib import Path

Path("product").write_text(str(number * int(Path("seven").read_text())))
```

```console
$ cat product \
    seven
427
```

<!-- docs-test: skip it would fail -->
```sh
false
```
"""
    assert run_page(page, folder) is None
    assert (folder / "product").read_text() == "42"


@pytest.mark.parametrize(
    ("page", "problem"),
    [
        ("```console\n$ echo left\nright\n```\n", "line 2: `echo left` prints something else"),
        ("```console\n$ exit 3\n```\n", "line 2: `exit 3` ended with exit code 3"),
        ("```console\n$ true # exit code 1\n```\n", "ended with exit code 0"),
        ("```console\necho left\n```\n", "a console block starts with `$ ` and a command"),
        ("text\n\n```sh\necho ok\nfalse\necho no\n```\n", "line 4: the script ended with exit code 1\nok\n"),
        ("```python\n1 / 0\n```\n", "ZeroDivisionError"),
        ("```bash\ntrue\n```\n", "line 2: `bash` is spelled"),
        ("```text\n$ true\n```\n", "are a `console` block"),
        ("```sh\npip install nmc\n```\n", "line 2: installs packages into the environment"),
        ("    nmc compile net.onnx\n", "an indented command is not run"),
        ("<!-- docs-test: hide it -->\n```sh\nfalse\n```\n", "unknown directive 'hide'"),
        ("<!-- docs-test: skip it -->\ntext\n\n```sh\ntrue\n```\n", "does not stand right before a block"),
    ],
)
def test_a_page_that_does_not_work(page: str, problem: str, folder: Path) -> None:
    assert problem in str(run_page(page, folder))


def test_what_may_differ_between_runs() -> None:
    assert matches("done in 0.71 s\n─────\na   b\n", "done in 12.08 s\n──\na b\n")
    assert matches("1,234.5 frames/s, 3 ms each", "9 frames/s, 0.2 ms each")
    assert not matches("7 samples", "8 samples")
    assert not matches("a\nb\n", "a\n")
    assert matches("a\nb\nc\n", "a\n…\n") and matches("a\nb\nc\n", "…\nc\n") and matches("", "…\n")
    assert not matches("a\nb\nc\n", "…\nb\n")

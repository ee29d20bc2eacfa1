"""Programs are the same bytes whatever the hash seed, the threads, the folder and the processor's kernels: two cases
here, all under `make determinism`."""

from __future__ import annotations

import pytest
from determinism import cases, differences, programs, settings

SETTINGS = {"hash seed 0": "1 thread", "hash seed 4711": "BLAS for Haswell", "another folder": "numpy without SIMD"}
FRONT_ENDS = ("digits_t7", "gestures_events", "moving_events_8")


@pytest.mark.slow
def test_programs_do_not_depend_on_the_process() -> None:
    known, paths = settings(), cases(FRONT_ENDS)
    one, *others = ({**known[a], **known[b]} for a, b in SETTINGS.items())
    first = programs(paths, one)
    assert sorted(first) == sorted(FRONT_ENDS)
    for other in others:
        assert differences(first, programs(paths, other)) == []


def test_a_difference_is_named() -> None:
    assert differences({"a": "1", "b": "2"}, {"a": "1", "b": "3", "c": "4"}) == ["b", "c"]
    assert {path.stem for path in cases()} > set(FRONT_ENDS) and all(path.is_file() for path in cases())

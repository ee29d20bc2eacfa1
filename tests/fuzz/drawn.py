"""A numpy Generator for the tests' network generators that hypothesis can shrink.

Generators of networks take a seed or a Generator. With this one every single number, which decides structure, is drawn
by hypothesis; whole arrays come from numpy, and about half of those that hold weights and biases in an extreme form.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

Array = np.ndarray[Any, Any]
FORMS = ("usual", "usual", "usual", "usual", "usual", "lowest", "highest", "one", "ends")
STEPS = 1000  # a random() is a multiple of 1/1000
FAR = 3.0  # what stands for the ends of a normal distribution, in standard deviations


class Drawn(np.random.Generator):
    """`draw` is hypothesis's; the same draws give the same numbers."""

    def __init__(self, draw: Callable[[Any], Any]) -> None:
        self.draw = draw
        super().__init__(np.random.PCG64(draw(st.integers(0, 2**32 - 1))))

    def integers(self, low: Any, high: Any = None, size: Any = None, *args: Any, **kwargs: Any) -> Any:
        if args or kwargs or np.ndim(low) or np.ndim(high):
            return super().integers(low, high, size, *args, **kwargs)
        first, stop = (0, int(low)) if high is None else (int(low), int(high))
        if size is None:
            return self.draw(st.integers(first, stop - 1))
        return self._formed(super().integers(first, stop, size), first, stop - 1)

    def random(self, size: Any = None, *args: Any, **kwargs: Any) -> Any:
        if size is None:  # near 1 when shrunk, so that nothing that happens by chance does
            return (STEPS - 1 - self.draw(st.integers(0, STEPS - 1))) / STEPS
        return self._formed(super().random(size, *args, **kwargs), 0.0, 1.0 - 2.0**-53)

    def normal(self, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> Any:
        usual = super().normal(loc, scale, size)
        simple = size is not None and not np.ndim(loc) and not np.ndim(scale)
        return self._formed(usual, loc - FAR * scale, loc + FAR * scale, loc) if simple else usual

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
        usual = super().uniform(low, high, size)
        return usual if size is None else self._formed(usual, low, high)

    def choice(self, a: Any, size: Any = None, *args: Any, **kwargs: Any) -> Any:
        if size is not None or args or kwargs:
            return super().choice(a, size, *args, **kwargs)
        given = np.arange(a) if isinstance(a, int) else np.asarray(a)
        return given[self.draw(st.integers(0, len(given) - 1))]

    def pick(self, choices: Sequence[Any]) -> Any:
        """One of them; the first when shrunk."""
        return choices[self.integers(len(choices))]

    def _formed(self, usual: Array, low: Any, high: Any, rest: Any = None) -> Array:
        """The array as it is, or all lowest, all highest, one element highest, or each at one of the ends."""
        form = self.draw(st.sampled_from(FORMS))
        if form == "usual" or not usual.size:
            return usual
        if form == "ends":
            return np.where(super().random(usual.shape) < 0.5, low, high).astype(usual.dtype)
        made = np.full_like(usual, high if form == "highest" else low)
        if form == "one":
            made[...] = low if rest is None else rest
            made.flat[int(super().integers(usual.size))] = high
        return made

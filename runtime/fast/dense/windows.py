"""What each pixel of a layer's sums reads: runs of neighbouring cells, and the weights that meet them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...arith import Ints
from ...program.akida import Layer, Triple
from ...program.akida_kinds import DEPTHWISE, TEMPORAL, TRANSPOSED
from ...program.akida_shapes import padding, positions
from .frames import Frame, Int32s


@dataclass(frozen=True)
class Part:
    """Sums of products for some pixels of a layer: all of them, or of a transposed convolution every fourth.

    pixels   int32: where the window of each begins, from the origin of the input's frame
    x, y     where the results lie: at all x and all y, in the order of pixels
    runs     int64: where each run begins, from the pixel; empty where the runs are the frames of a FIFO, oldest first
    weights  int64 [run, cell of the run, C, F]; of a depthwise layer [run, 1, C, 1]
    """

    pixels: Int32s
    x: Ints
    y: Ints
    runs: Ints
    weights: Ints


def parts(layer: Layer, given: Triple, frame: Frame) -> list[Part]:
    """The sums of a layer whose input, of shape `given`, lies in `frame`."""
    w = layer.variables["weights"].astype(np.int64)
    if layer.kind in TRANSPOSED:
        return list(_transposed(w, frame))
    if layer.kind in TEMPORAL:
        x, y = (np.arange(extent) for extent in given[:2])
        channels = (given[2], 1) if layer.kind in DEPTHWISE else w.shape[3:]
        shape = (layer.parameters["fifo_size"], 1, given[2], channels[-1])
        return [Part(frame.cells(x, y), x, y, np.zeros(0, np.int64), w.reshape(shape))]
    if layer.kind == "Dense1D":
        one, rows = np.zeros(1, np.int64), np.arange(given[0])
        return [Part(frame.cells(one, one), one, one, rows * frame.row, w.reshape(*given, -1))]
    return [_convolution(layer, w, given, frame)]


def _convolution(layer: Layer, w: Ints, given: Triple, frame: Frame) -> Part:
    p = layer.parameters
    window = p["kernel_size"], p["kernel_stride"], p["padding"]
    x, y = (np.arange(extent) for extent in positions(layer, given)[:2])
    before = [padding(extent, *window)[0] for extent in given[:2]]
    pixels = frame.cells(window[1] * x - before[0], window[1] * y - before[1])
    w = w if layer.kind == "InputConv2D" else w[::-1, ::-1]
    kernel = np.arange(window[0])
    if layer.kind in DEPTHWISE:
        return Part(pixels, x, y, frame.cells(kernel, kernel).astype(np.int64), w.reshape(-1, 1, given[2], 1))
    return Part(pixels, x, y, kernel * frame.row, w)


def _transposed(w: Ints, frame: Frame) -> Iterator[Part]:
    """Result 2a + i − crop reads input a at weight i: for each of the four parities of x and y other weights."""
    x, y, channels = frame.shape
    kernel = len(w)
    crop = (kernel - 2) // 2
    for odd_x in (0, 1):
        for odd_y in (0, 1):
            across, down = ([i for i in range(kernel) if (odd + crop - i) % 2 == 0] for odd in (odd_x, odd_y))
            steps = [
                np.array([(odd + crop - i) // 2 for i in cells]) for odd, cells in ((odd_x, across), (odd_y, down))
            ]
            runs = frame.cells(*steps).astype(np.int64)
            weights = w[across][:, down].reshape(len(runs), 1, channels, -1)
            yield Part(frame.inside, 2 * np.arange(x) + odd_x, 2 * np.arange(y) + odd_y, runs, weights)

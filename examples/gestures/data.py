"""Clips of moving digits: eight gestures that no single frame can tell apart.

A digit lies somewhere on a canvas that is joined left to right and top to bottom, at any angle, 9 to 18 pixels wide.
A gesture changes one of these four numbers of its pose at constant speed: a digit swiped out of the canvas comes in on
the other side, one that has grown to 18 pixels starts again at 9. As the start is uniform on the same circle, so is
every later pose: each frame of each class has the same distribution, and a clip of one class played backwards is a clip
of the opposite class. All arithmetic on pixels is in integers, so a seed gives the same bytes everywhere.

`python examples/gestures/data.py` writes a few clips of each half to the current folder.
"""

import hashlib
import math
import runpy
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Split = Literal["train", "test"]
Pixels = NDArray[np.uint8]
Clips = NDArray[np.float32]
Labels = NDArray[np.int64]
Integers = NDArray[np.int64]

# The opposite of class k is class k ^ 1; class k moves number k // 2 of the pose (x, y, angle, zoom).
CLASSES = (
    "swipe left",
    "swipe right",
    "swipe up",
    "swipe down",
    "rotate clockwise",
    "rotate counter-clockwise",
    "zoom in",
    "zoom out",
)
DIRECTIONS = np.array([-1, 1, -1, 1, 1, -1, 1, -1])
FRAMES = 16
SIZE = 24
THRESHOLD = 0.1  # change of brightness that makes an event
TEST_COUNT = 2048
TEST_SEED = 0

# Units of a pose: 1/256 pixel, 1/4096 turn, 1/4096 octave. The angle grows clockwise, y downwards.
PERIODS = np.array([SIZE * 256, SIZE * 256, 4096, 4096])
SPEEDS = np.array([[80, 512], [80, 512], [40, 256], [128, 448]])  # lowest and highest, a frame
SMALLEST = 9  # pixels
DARKEST = 64  # grey level of the strokes
ONE = 1 << 14
COSINE = np.array([round(ONE * math.cos(2 * math.pi * k / 4096)) for k in range(4096)])
SHRINK = np.array([round(ONE * 8 / SMALLEST * 2 ** (-k / 4096)) for k in range(4096)])  # digit pixels a canvas pixel

# What `digest` gives for clips(split, count, seed).
DIGESTS: dict[tuple[Split, int, int], str] = {
    ("train", 64, 0): "cedb81202125d51ec0c753f3de78608dbdf43f0f952c3f780ee8d2ede808bbc9",
    ("test", 64, 0): "bdecc2da434756d94f89177bca9b3ca4d30eac427d11682bcc11470305e5f6d9",
    ("test", TEST_COUNT, TEST_SEED): "cf7a489f3f71991d185ff47481751df94bd44768a04b6aaa9ca23b7e7836d2f4",
}


def trajectories(labels: Labels, starts: Integers, speeds: Integers) -> Integers:
    """Poses (n, FRAMES, 4) that begin at `starts` (n, 4) and move by `speeds` (n,) a frame, as the class demands."""
    poses = np.repeat(starts[:, None], FRAMES, axis=1)
    moved = np.arange(FRAMES) * (DIRECTIONS[labels] * speeds)[:, None]
    poses[np.arange(len(labels)), :, labels // 2] += moved
    return poses % PERIODS


def render(images: Integers, poses: Integers, white: Integers) -> Pixels:
    """Draw digits in poses (n, frames, 4): (n, frames, SIZE, SIZE), bilinear, without noise.

    The digits (n, 8, 8) have levels from 0 to 16, and 16 is drawn as grey level `white` (n,).
    """
    padded = np.pad(images, ((0, 0), (1, 2), (1, 2))).astype(np.int32)
    width = padded.shape[-1]
    x, y, angle, zoom = np.moveaxis(poses, -1, 0)[..., None, None]
    half, centers = SIZE * 128, np.arange(SIZE) * 256 + 128
    dx = (((centers - x + half) % (2 * half)) - half).astype(np.int32)
    dy = (((centers[:, None] - y + half) % (2 * half)) - half).astype(np.int32)
    cos = (COSINE[angle] * SHRINK[zoom] // ONE).astype(np.int32)
    sin = (COSINE[(angle - 1024) % 4096] * SHRINK[zoom] // ONE).astype(np.int32)
    column, right = np.divmod(np.clip((dx * cos + dy * sin) // ONE + 9 * 128, 0, 9 * 256), 256)
    row, below = np.divmod(np.clip((dy * cos - dx * sin) // ONE + 9 * 128, 0, 9 * 256), 256)
    corner = row * width + column + (np.arange(len(images)) * width * width).reshape(-1, 1, 1, 1)
    flat = padded.ravel()
    upper = flat[corner] * (256 - right) + flat[corner + 1] * right
    lower = flat[corner + width] * (256 - right) + flat[corner + width + 1] * right
    level = upper * (256 - below) + lower * below  # 16 << 16 at most
    return ((level * white.astype(np.int32).reshape(-1, 1, 1, 1) + (1 << 19)) >> 20).astype(np.uint8)


def add_noise(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Add to each pixel the sum of two uniform integers from -16 to 16."""
    noise = rng.integers(-16, 17, (2, *pixels.shape), dtype=np.int8)
    return np.clip(pixels + noise.sum(0, dtype=np.int16), 0, 255).astype(np.uint8)


def pixels(split: Split, count: int, seed: int) -> tuple[Pixels, Labels]:
    """The clips of `clips` as grey levels from 0 to 255."""
    x_train, _, x_test, _ = runpy.run_path(str(Path(__file__).parent.parent / "digits" / "data.py"))["load_split"]()
    digits = np.rint(16 * {"train": x_train, "test": x_test}[split][:, 0]).astype(np.int64)
    rng = np.random.default_rng([seed, int(split == "test")])
    labels = rng.permutation(np.arange(count) % len(CLASSES))
    images = digits[rng.integers(len(digits), size=count)]
    starts = rng.integers(PERIODS, size=(count, 4))
    slowest, fastest = SPEEDS[labels // 2].T
    poses = trajectories(labels, starts, rng.integers(slowest, fastest + 1))
    white = rng.integers(DARKEST, 256, size=count)
    made = np.empty((count, 1, FRAMES, SIZE, SIZE), np.uint8)
    for first in range(0, count, 64):
        part = slice(first, first + 64)
        made[part, 0] = add_noise(render(images[part], poses[part], white[part]), rng)
    return made, labels


def clips(split: Split, count: int, seed: int) -> tuple[Clips, Labels]:
    """Return `count` clips (count, 1, FRAMES, SIZE, SIZE) with values k/255 from 0 to 1, and their classes.

    The classes are equally frequent if 8 divides `count`. The digits are those of one half of examples/digits.
    """
    made, labels = pixels(split, count, seed)
    return made / np.float32(255), labels


def events(clips: Clips) -> Clips:
    """ON and OFF events (n, 2, frames, SIZE, SIZE), 0 or 1: where a frame is brighter or darker than the one before."""
    change = np.diff(clips, axis=2, prepend=clips[:, :, :1])
    return np.concatenate([change > THRESHOLD, change < -THRESHOLD], axis=1).astype(np.float32)


def digest(clips: Clips) -> str:
    """SHA-256 of the values as little-endian float32."""
    return hashlib.sha256(np.ascontiguousarray(clips, "<f4").tobytes()).hexdigest()


if __name__ == "__main__":
    for split in ("train", "test"):
        x, labels = clips(split, 256, 1)
        for name, clip in ((f"gestures_{split}", x), (f"gestures_events_{split}", events(x))):
            np.savez(f"{name}.npz", clip=clip)
            print(f"{name}.npz: {len(clip)} clips of shape {clip.shape[1:]}")
    np.savez("gestures_labelled.npz", clip=x, labels=labels)
    print("gestures_labelled.npz: gestures_test.npz with labels")

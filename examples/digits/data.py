"""The handwritten digits that ship inside scikit-learn, split once into halves.

`python examples/digits/data.py` writes them as digits_train.npz and digits_test.npz to the current folder, and
digits_labelled.npz, the test half with its labels.
"""

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

TRAIN_COUNT = 898
SPLIT_SEED = 0

Images = NDArray[np.float32]
Labels = NDArray[np.int64]


def load_split() -> tuple[Images, Labels, Images, Labels]:
    """Return (x_train, y_train, x_test, y_test): 898 and 899 digits, the same ones every time.

    Images have shape (n, 1, 8, 8) and values from 0 to 1 (the 17 grey levels divided by 16); labels are 0 to 9.
    Each digit is as frequent in one half as in the other.
    """
    pixels, labels = load_digits(return_X_y=True)
    images = (pixels.reshape(-1, 1, 8, 8) / 16).astype(np.float32)
    x_train, x_test, y_train, y_test = train_test_split(
        images, labels.astype(np.int64), train_size=TRAIN_COUNT, stratify=labels, random_state=SPLIT_SEED
    )
    return x_train, y_train, x_test, y_test


if __name__ == "__main__":
    x_train, y_train, x_test, y_test = load_split()
    for name, images in (("digits_train.npz", x_train), ("digits_test.npz", x_test)):
        np.savez(name, image=images)
        print(f"{name}: {len(images)} images of shape {images.shape[1:]}")
    np.savez("digits_labelled.npz", image=x_test, labels=y_test)
    print("digits_labelled.npz: digits_test.npz with labels")

"""Makes test/goldens/data/pillow.json: what Pillow's BILINEAR, effuse's filter 'triangle', gives.

`rgb` is rows first, then columns, as effuse and Pillow before 13 have it: equal to the bit. `direct` is what one call of this
Pillow gives, where it is something else: it takes columns first where they shrink by more than twice as many pixels, and
rounding in between then moves a value by one at most.

    python make_pillow.py        (pip install pillow==13.0.0 numpy, in an environment of its own)

Pictures are named by a formula, which test/data/resample.test.ts has too, so that the golden holds results alone.
"""

import base64

import numpy as np
import PIL
from goldens_io import write
from PIL import Image

# Width and height, the box, width and height of the result: shrinking by little, by a lot and to one pixel, enlarging, strips.
CASES = [
    ((64, 64), (0, 0, 64, 64), (8, 8)),
    ((64, 64), (7, 11, 38, 42), (8, 8)),
    ((40, 30), (0, 0, 40, 30), (37, 29)),
    ((40, 30), (5, 3, 25, 28), (24, 12)),
    ((17, 23), (0, 0, 17, 23), (30, 47)),
    ((90, 7), (1, 1, 90, 6), (4, 9)),
    ((5, 300), (0, 0, 5, 300), (5, 7)),
    ((257, 131), (0, 0, 257, 131), (2, 3)),
    ((700, 500), (13, 17, 690, 480), (5, 4)),
    ((3, 3), (1, 1, 2, 2), (6, 5)),
    ((33, 20), (0, 0, 33, 20), (1, 1)),
]


def picture(width, height):
    """Noise over a slope, the same on every machine: integers only."""
    i = np.arange(width * height * 3, dtype=np.int64)
    noise = (i * 7919 + (i >> 3) * 104729 + i * i % 251) % 256
    slope = (i // 3 % width) * 255 // max(1, width - 1)
    return np.where(noise % 5 == 0, slope, noise).astype(np.uint8).reshape(height, width, 3)


def main():
    cases = []
    for (width, height), box, size in CASES:
        left, top, right, bottom = box
        part = Image.fromarray(picture(width, height)).crop(box)
        direct = part.resize(size, Image.BILINEAR).tobytes()
        rows = part.resize((size[0], bottom - top), Image.BILINEAR)
        rgb = rows.resize(size, Image.BILINEAR).tobytes()
        cases.append(
            {
                "picture": [width, height],
                "box": [left, top, right - left, bottom - top],
                "size": list(size),
                "rgb": base64.b64encode(rgb).decode(),
                **({} if direct == rgb else {"direct": base64.b64encode(direct).decode()}),
            }
        )
    write("data/pillow.json", {"pillow": PIL.__version__, "cases": cases})


if __name__ == "__main__":
    main()

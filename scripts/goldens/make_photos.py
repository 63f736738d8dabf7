"""Makes test/goldens/photos/*.png: photographs as the network sees them, 224 x 224 RGB.

    python make_photos.py FOLDER        (FOLDER: skimage/data of scikit-image's wheel)

The central square of size / (size + 32) of the shorter side, then Pillow's BILINEAR, a triangle filter: what readImage()
must give to the bit. They are kept as PNG, so that the golden of predictions stays true whatever a later Pillow does.
"""

import sys
from pathlib import Path

from goldens_io import GOLDENS
from PIL import Image

SIZE = 224
PHOTOS = ["chelsea.png", "coffee.png", "rocket.jpg", "astronaut.png", "clock_motion.png"]


def main(source: str) -> None:
    for photo in PHOTOS:
        image = Image.open(Path(source) / photo).convert("RGB")
        side = SIZE * min(image.size) // (SIZE + 32)
        left, top = ((length - side + 1) // 2 for length in image.size)
        cut = image.crop((left, top, left + side, top + side)).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
        file = GOLDENS / "photos" / f"{Path(photo).stem.replace('_', '-')}.png"
        cut.save(file, optimize=True, icc_profile=None)  # stored values are what counts
        print(f"{photo}: {image.size}, square of {side} at {left},{top}, {file.stat().st_size} bytes")


if __name__ == "__main__":
    main(sys.argv[1])

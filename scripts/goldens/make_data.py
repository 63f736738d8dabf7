"""Makes test/goldens/data/*.json: what TensorFlow's own crop and resize give.

    python make_data.py        (pip install tensorflow-cpu==2.21.0, in an environment of its own)

boxes.json: tf.image.stateless_sample_distorted_bounding_box, whose words are Philox of a known key, so that effuse's
draws can be given the same ones and must give the same boxes, number by number.
resize.json: tf.compat.v1.image.resize (the reference's) and tf.image.resize(antialias=True), on random bytes.
"""

import os

os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"
import numpy as np
import tensorflow as tf
from goldens_io import write

# Width and height: photographs, squares, strips that hold hardly any box or none, and the smallest pictures.
SIZES = [(500, 375), (375, 500), (224, 224), (4032, 3024), (97, 89), (640, 100), (60, 900), (1000, 90)]
SIZES += [(31, 400), (13, 7), (5, 5), (3, 4), (2, 2), (1, 1), (1, 9)]
RECIPE = {"area": [0.05, 1.0], "aspect": [0.75, 1.33], "covered": 0.1, "attempts": 100}
OTHERS = [
    {"area": [0.08, 1.0], "aspect": [0.75, 4 / 3], "covered": 0.1, "attempts": 10},  # tensorflow/tpu's
    {"area": [0.3, 0.35], "aspect": [0.9, 1.1], "covered": 0.0, "attempts": 2},
    {"area": [0.99, 1.0], "aspect": [0.2, 5.0], "covered": 0.0, "attempts": 3},
]


def box(seed, width, height, area, aspect, covered, attempts):
    """[left, top, width, height]"""
    begin, size, _ = tf.image.stateless_sample_distorted_bounding_box(
        [height, width, 3],
        tf.constant([0.0, 0.0, 1.0, 1.0], shape=[1, 1, 4]),
        seed=seed,
        min_object_covered=covered,
        aspect_ratio_range=aspect,
        area_range=area,
        max_attempts=attempts,
        use_image_if_no_bounding_boxes=True,
    )
    (top, left, _), (tall, wide, _) = begin.numpy().tolist(), size.numpy().tolist()
    assert wide > 0 and tall > 0
    return [left, top, wide, tall]


def boxes(settings, sizes, count):
    seeds = [[i, 7 * i + 1] for i in range(count)]
    return {
        **settings,
        "sizes": sizes,
        "seeds": seeds,
        "boxes": [[box(seed, *size, **settings) for seed in seeds] for size in sizes],
    }


def resizes():
    rng = np.random.default_rng(5)
    cases = []
    for (h, w), (oh, ow) in [
        ((1, 1), (3, 2)),
        ((5, 7), (5, 7)),
        ((4, 6), (2, 3)),
        ((9, 5), (4, 3)),
        ((3, 4), (7, 9)),
        ((17, 23), (5, 6)),
        ((2, 31), (3, 3)),
        ((28, 28), (21, 21)),
    ]:
        picture = rng.integers(0, 256, (h, w, 2), dtype=np.uint8)
        x = tf.constant(picture[None], tf.float32)
        bilinear = tf.compat.v1.image.resize(x, [oh, ow], method="bilinear", align_corners=False)
        triangle = tf.image.resize(x, [oh, ow], method="bilinear", antialias=True)
        cases.append(
            {
                "from": [h, w],
                "to": [oh, ow],
                "picture": picture.flatten().tolist(),
                "bilinear": np.round(bilinear.numpy().astype(np.float64), 3).flatten().tolist(),
                "triangle": np.round(triangle.numpy().astype(np.float64), 3).flatten().tolist(),
            }
        )
    return cases


def main():
    versions = {"tensorflow": tf.__version__}
    write(
        "data/boxes.json",
        {**versions, "cases": [boxes(RECIPE, SIZES, 40), *(boxes(s, SIZES[:6], 12) for s in OTHERS)]},
    )
    write("data/resize.json", {**versions, "cases": resizes()})


if __name__ == "__main__":
    main()

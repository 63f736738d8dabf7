"""Weights and pictures that a formula makes, so that goldens need no weight files.

The twin of test/support/golden-weights.ts: both must give the same bits for the same name and shape.
A value depends on its variable's name and its flat index in effuse's layout only: uint32 arithmetic,
then float64 without fused operations, then one rounding to float32.
"""

import math

import numpy as np

GOLDEN_RATIO = 0x9E3779B9

# Power of a kernel's output over its input's. Chosen by measurement on 64 x 64 pictures: block outputs keep a root mean
# square between 0.3 and 4 down to B7, squeeze-excite gates move visibly, relu6 clips about one value in a hundred,
# logits deviate by 0.1 to 1, and PyTorch's float32 stays within 4e-6 of its float64.
SE_REDUCE_GAIN = 1.0
SE_EXPAND_GAIN = 4.0
# A projection whose result is added to the block's input must be weak, or a deep stage grows exponentially; one that
# changes the channels must make up for the losses of its block.
PROJECT_ADDED_GAIN = 0.12
PROJECT_ALONE_GAIN = 1.5
HEAD_DENSE_GAIN = 0.4
OTHER_GAIN = 2.0

# [low, high) of everything that is not a kernel, by the last part of the name.
RANGES = {
    "scale": (0.8, 1.2),
    "offset": (-0.1, 0.1),
    "mean": (-0.1, 0.1),
    "variance": (0.5, 1.5),
    "bias": (-0.1, 0.1),
}
# Gates near 0.8, not 0.5: with and without squeeze-excite the activations then keep about the same size.
SE_EXPAND_BIAS_RANGE = (1.4, 1.6)


def fnv1a32(text: str) -> int:
    """32-bit FNV-1a of the text's UTF-8 bytes."""
    h = 0x811C9DC5
    for byte in text.encode("utf-8"):
        h = ((h ^ byte) * 0x01000193) & 0xFFFFFFFF
    return h


def hashed(name: str, index: np.ndarray) -> np.ndarray:
    """uint32 hash of a name and each index: murmur3's finaliser over a golden-ratio counter."""
    with np.errstate(over="ignore"):
        x = np.uint32(fnv1a32(name)) + index.astype(np.uint32) * np.uint32(GOLDEN_RATIO)
        x ^= x >> np.uint32(16)
        x *= np.uint32(0x85EBCA6B)
        x ^= x >> np.uint32(13)
        x *= np.uint32(0xC2B2AE35)
        x ^= x >> np.uint32(16)
    return x


def uniform(name: str, count: int) -> np.ndarray:
    """float64 [count] in [0, 1), in steps of 2^-24."""
    return (hashed(name, np.arange(count, dtype=np.uint32)) >> np.uint32(8)).astype(np.float64) * 2.0**-24


def kernel_gain(name: str, shape: tuple[int, ...]) -> float:
    """Gain of a kernel. Whether a projection is added is read off its shape [1, 1, 6 * out or out, out]."""
    if name.endswith("se/reduce/kernel"):
        return SE_REDUCE_GAIN
    if name.endswith("se/expand/kernel"):
        return SE_EXPAND_GAIN
    if name.endswith("head/dense/kernel"):
        return HEAD_DENSE_GAIN
    if name.endswith("project/conv/kernel"):
        added = shape[2] == 6 * shape[3] or shape[2] == shape[3]
        return PROJECT_ADDED_GAIN if added else PROJECT_ALONE_GAIN
    return OTHER_GAIN


def kernel_fan_in(name: str, shape: tuple[int, ...]) -> int:
    """Number of products summed for one output."""
    if len(shape) == 2:
        return shape[0]
    return shape[0] * shape[1] * (1 if name.endswith("depthwise/conv/kernel") else shape[2])


def golden_variable(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """float32 array of `shape` (effuse's layout: HWIO, depthwise [k, k, C, 1], dense [in, out])."""
    u = uniform(name, math.prod(shape))
    last = name.rsplit("/", 1)[-1]
    if last == "kernel":
        # Uniform on [-reach, reach) has a variance of gain / fan_in.
        reach = math.sqrt(3.0 * kernel_gain(name, shape) / kernel_fan_in(name, shape))
        values = (u - 0.5) * (2.0 * reach)
    else:
        low, high = SE_EXPAND_BIAS_RANGE if name.endswith("se/expand/bias") else RANGES[last]
        values = low + u * (high - low)
    return values.astype(np.float32).reshape(shape)


def golden_image(shape: tuple[int, int, int, int]) -> np.ndarray:
    """float32 [N, H, W, C] of whole numbers 0..255: patches of 16 x 16 pixels (3 parts) under noise (1 part).

    Patches, because plain noise averages out and every picture would get the same answer.
    """
    n, h, w, c = np.meshgrid(*[np.arange(d, dtype=np.uint32) for d in shape], indexing="ij")
    k = np.uint32
    with np.errstate(over="ignore"):
        patch = hashed("image/patch", ((n * k(1024) + (h >> k(4))) * k(1024) + (w >> k(4))) * k(16) + c) >> k(24)
        noise = hashed("image/noise", np.arange(math.prod(shape), dtype=np.uint32)).reshape(shape) >> k(24)
    return ((patch * k(3) + noise) >> k(2)).astype(np.float32)

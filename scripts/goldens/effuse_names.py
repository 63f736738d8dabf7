"""How the names and layouts of PyTorch checkpoints map to effuse's variables.

Three families: timm (`tf_efficientnet_*`, `efficientnet_*`), torchvision (`efficientnet_b*`) and the names of
EfficientNet-PyTorch (`_conv_stem`, `_blocks.0._bn0`), which the published Lite0 file has.
"""

import re

import numpy as np

BN = {"weight": "scale", "bias": "offset", "running_mean": "mean", "running_var": "variance"}


def block_starts(names, pattern: str) -> dict[int, int]:
    """Number of blocks before each stage, for names whose groups are (stage, block)."""
    sizes: dict[int, int] = {}
    for name in names:
        found = re.match(pattern, name)
        if found:
            stage, block = int(found[1]), int(found[2])
            sizes[stage] = max(sizes.get(stage, 0), block + 1)
    starts, total = {}, 0
    for stage in sorted(sizes):
        starts[stage] = total
        total += sizes[stage]
    return starts


def parameter(kind: str, last: str) -> str:
    """The last part of effuse's name: BN has four parameters, others a kernel and perhaps a bias."""
    return BN[last] if kind == "bn" else {"weight": "kernel", "bias": "bias"}[last]


TIMM_TOP = {
    "conv_stem": "stem/conv",
    "bn1": "stem/bn",
    "conv_head": "head/conv",
    "bn2": "head/bn",
    "classifier": "head/dense",
}
# The first stage of every variant has no expansion; timm makes it of another class, whose names shift by one.
TIMM_SEPARABLE = {"conv_dw": "depthwise/conv", "bn1": "depthwise/bn", "conv_pw": "project/conv", "bn2": "project/bn"}
TIMM_INVERTED = {
    "conv_pw": "expand/conv",
    "bn1": "expand/bn",
    "conv_dw": "depthwise/conv",
    "bn2": "depthwise/bn",
    "conv_pwl": "project/conv",
    "bn3": "project/bn",
}
TIMM_SE = {"se.conv_reduce": "se/reduce", "se.conv_expand": "se/expand"}


def timm_names(names) -> dict[str, str | None]:
    """timm's state_dict names to effuse's; None for what effuse has not (num_batches_tracked)."""
    names = list(names)
    starts = block_starts(names, r"blocks\.(\d+)\.(\d+)\.")
    mapped: dict[str, str | None] = {}
    for name in names:
        module, last = name.rsplit(".", 1)
        if last == "num_batches_tracked":
            mapped[name] = None
            continue
        inside = re.match(r"blocks\.(\d+)\.(\d+)\.(.+)", module)
        if inside:
            prefix = f"blocks.{inside[1]}.{inside[2]}."
            table = TIMM_INVERTED if prefix + "conv_pwl.weight" in names else TIMM_SEPARABLE
            path = f"blocks.{starts[int(inside[1])] + int(inside[2])}/{(table | TIMM_SE)[inside[3]]}"
        else:
            path = TIMM_TOP[module]
        mapped[name] = f"{path}/{parameter(path.rsplit('/', 1)[-1], last)}"
    return mapped


def torchvision_names(names) -> dict[str, str | None]:
    """torchvision's state_dict names to effuse's.

    features.0 is the stem, features.1 .. features.7 the stages, features.8 the head; inside a block, `block.i` counts
    expand (absent where the expansion is 1), depthwise, squeeze-excite, project; in each, 0 is the conv, 1 the BN.
    """
    names = list(names)
    starts = block_starts(names, r"features\.(\d+)\.(\d+)\.block\.")
    head = max(int(n.split(".")[1]) for n in names if n.startswith("features."))
    mapped: dict[str, str | None] = {}
    for name in names:
        module, last = name.rsplit(".", 1)
        if last == "num_batches_tracked":
            mapped[name] = None
            continue
        inside = re.match(r"features\.(\d+)\.(\d+)\.block\.(\d+)\.(\w+)$", module)
        if inside:
            stage, block, part, leaf = int(inside[1]), int(inside[2]), int(inside[3]), inside[4]
            prefix = f"features.{stage}.{block}.block."
            expands = f"{prefix}3.0.weight" in names
            part_name = (["expand"] if expands else []) + ["depthwise", "se", "project"]
            inner = {"0": "conv", "1": "bn", "fc1": "reduce", "fc2": "expand"}[leaf]
            path = f"blocks.{starts[stage] + block}/{part_name[part]}/{inner}"
        elif module == "classifier.1":
            path = "head/dense"
        else:
            _, feature, leaf = module.split(".")
            path = f"{'head' if int(feature) == head else 'stem'}/{'conv' if leaf == '0' else 'bn'}"
        mapped[name] = f"{path}/{parameter(path.rsplit('/', 1)[-1], last)}"
    return mapped


PTH_TOP = {
    "_conv_stem": "stem/conv",
    "_bn0": "stem/bn",
    "_conv_head": "head/conv",
    "_bn1": "head/bn",
    "_fc": "head/dense",
}
PTH_BLOCK = {
    "_expand_conv": "expand/conv",
    "_bn0": "expand/bn",
    "_depthwise_conv": "depthwise/conv",
    "_bn1": "depthwise/bn",
    "_se_reduce": "se/reduce",
    "_se_expand": "se/expand",
    "_project_conv": "project/conv",
    "_bn2": "project/bn",
}


def pth_names(names) -> dict[str, str | None]:
    """EfficientNet-PyTorch's state_dict names to effuse's."""
    mapped: dict[str, str | None] = {}
    for name in names:
        module, last = name.rsplit(".", 1)
        if last == "num_batches_tracked":
            mapped[name] = None
            continue
        inside = re.match(r"_blocks\.(\d+)\.(\w+)$", module)
        path = f"blocks.{inside[1]}/{PTH_BLOCK[inside[2]]}" if inside else PTH_TOP[module]
        mapped[name] = f"{path}/{parameter(path.rsplit('/', 1)[-1], last)}"
    return mapped


def effuse_shape(effuse_name: str, torch_shape) -> tuple[int, ...]:
    """Shape in effuse's layout of a tensor that PyTorch has as OIHW, C1HW (depthwise) or [out, in]."""
    s = tuple(torch_shape)
    if len(s) == 4:
        return (s[2], s[3], s[0], s[1]) if effuse_name.endswith("depthwise/conv/kernel") else (s[2], s[3], s[1], s[0])
    return (s[1], s[0]) if len(s) == 2 else s


def to_effuse(effuse_name: str, array: np.ndarray) -> np.ndarray:
    """PyTorch's layout to effuse's: OIHW to HWIO, depthwise [C,1,k,k] to [k,k,C,1], dense [out,in] to [in,out]."""
    if array.ndim == 4:
        order = (2, 3, 0, 1) if effuse_name.endswith("depthwise/conv/kernel") else (2, 3, 1, 0)
        return np.ascontiguousarray(array.transpose(order))
    return np.ascontiguousarray(array.T) if array.ndim == 2 else array


def to_torch(effuse_name: str, array: np.ndarray) -> np.ndarray:
    """The other way round."""
    if array.ndim == 4:
        order = (2, 3, 0, 1) if effuse_name.endswith("depthwise/conv/kernel") else (3, 2, 0, 1)
        return np.ascontiguousarray(array.transpose(order))
    return np.ascontiguousarray(array.T) if array.ndim == 2 else array

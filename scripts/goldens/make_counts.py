"""Makes test/goldens/efficientnet/{counts,generator}.json: sizes of the models, and samples of the weight formula."""

import numpy as np
import timm
import torch
from golden_weights import golden_image, golden_variable, hashed
from goldens_io import write

RESOLUTION = {
    "b0": 224,
    "b1": 240,
    "b2": 260,
    "b3": 300,
    "b4": 380,
    "b5": 456,
    "b6": 528,
    "b7": 600,
    "lite0": 224,
    "lite1": 240,
    "lite2": 260,
    "lite3": 280,
    "lite4": 300,
}


def counts(variant: str) -> dict:
    """Numbers of parameters, layers and multiply-adds, taken from timm's modules without any weights."""
    with torch.device("meta"):
        model = timm.create_model(f"tf_efficientnet_{variant}").eval()
        total = [0]

        def count(module, _inputs, out):
            total[0] += module.weight[0].numel() * out[0].numel()

        modules = list(model.modules())
        kernels = [m for m in modules if isinstance(m, (torch.nn.Conv2d, torch.nn.Linear))]
        norms = [m for m in modules if isinstance(m, torch.nn.BatchNorm2d)]
        for module in kernels:
            module.register_forward_hook(count)
        model(torch.empty(1, 3, RESOLUTION[variant], RESOLUTION[variant]))
    trainable = sum(p.numel() for p in model.parameters())
    moving = sum(m.running_mean.numel() + m.running_var.numel() for m in norms)
    return {
        "resolution": RESOLUTION[variant],
        "trainable": trainable,
        "withStatistics": trainable + moving,
        "kernels": len(kernels),
        "batchNorms": len(norms),
        "biases": sum(m.bias is not None for m in kernels),
        "blocks": sum(len(stage) for stage in model.blocks),
        "repeats": [len(stage) for stage in model.blocks],
        "stageOutputs": [
            (getattr(stage[-1], "conv_pwl", None) or stage[-1].conv_pw).out_channels for stage in model.blocks
        ],
        "stem": model.conv_stem.out_channels,
        "head": model.conv_head.out_channels,
        "multiplyAdds": total[0],
    }


def generator() -> dict:
    """Values of the formula, for the test of its twin in TypeScript."""
    shapes = {
        "stem/conv/kernel": (3, 3, 3, 32),
        "stem/bn/scale": (32,),
        "stem/bn/offset": (32,),
        "stem/bn/mean": (32,),
        "stem/bn/variance": (32,),
        "blocks.0/depthwise/conv/kernel": (3, 3, 32, 1),
        "blocks.1/expand/conv/kernel": (1, 1, 16, 96),
        "blocks.1/se/reduce/kernel": (1, 1, 96, 4),
        "blocks.1/se/reduce/bias": (4,),
        "blocks.1/se/expand/kernel": (1, 1, 4, 96),
        "blocks.1/se/expand/bias": (96,),
        "blocks.1/project/conv/kernel": (1, 1, 96, 24),
        "blocks.2/project/conv/kernel": (1, 1, 144, 24),
        "head/dense/kernel": (1280, 1000),
        "head/dense/bias": (1000,),
    }
    rows = []
    for name, shape in shapes.items():
        flat = golden_variable(name, shape).ravel()
        rows.append(
            {
                "name": name,
                "shape": list(shape),
                "first": flat[:4].tolist(),
                "last": flat[-2:].tolist(),
                "sum": float(flat.astype(np.float64).sum()),
            }
        )
    images = []
    for shape in ((1, 2, 2, 3), (2, 40, 35, 3), (1, 33, 17, 1)):
        flat = golden_image(shape).ravel()
        images.append(
            {
                "shape": list(shape),
                "first": flat[:6].tolist(),
                "last": flat[-6:].tolist(),
                "sum": float(flat.astype(np.float64).sum()),
            }
        )
    return {
        "hashes": [
            [name, index, int(hashed(name, np.array([index], np.uint32))[0])]
            for name, index in (("", 0), ("stem/conv/kernel", 1), ("é", 4294967295))
        ],
        "variables": rows,
        "images": images,
    }


def main() -> None:
    torch.set_grad_enabled(False)
    write("efficientnet/generator.json", generator())
    made = {"torch": torch.__version__, "timm": timm.__version__}
    write("efficientnet/counts.json", {"made": made, "variants": {v: counts(v) for v in RESOLUTION}})


if __name__ == "__main__":
    main()

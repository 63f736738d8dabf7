"""Makes test/goldens/efficientnet/{same,symmetric,lite,intermediates-b0-*}.json.

timm runs in float64 with the formula weights of golden_weights.py. Before a case is written, an implementation that
shares no code with timm (plain_efficientnet.py), and for symmetric padding torchvision too, must agree within 1e-9.
The meaning of every field is in test/goldens/efficientnet/README.md.
"""

import platform

import numpy as np
import timm
import torch
import torchvision
from golden_models import agree, normalized, strides_of, timm_model, torchvision_logits
from golden_weights import golden_image
from goldens_io import write
from plain_efficientnet import forward

IMAGENET = ([0.485 * 255, 0.456 * 255, 0.406 * 255], [0.229 * 255, 0.224 * 255, 0.225 * 255])
LITE = ([127.0] * 3, [128.0] * 3)


def summary(logits: torch.Tensor, count: int):
    """First logits, sum and L2 norm of all, per sample."""
    return {
        "logits": logits[:, :count].tolist(),
        "sum": logits.sum(1).tolist(),
        "l2": logits.norm(dim=1).tolist(),
    }


def make_case(name, variant, padding, epsilon, normalize, size, batch, keep=32, classes=1000, channels=3):
    """One golden: everything that decides the graph, and what it must answer."""
    mean, std = normalize
    model, variables = timm_model(name, epsilon, classes, channels)
    image = golden_image((batch, *size, channels))
    x = normalized(image, mean, std)
    activation = "relu6" if variant.startswith("lite") else "silu"
    plain = dict(strides=strides_of(model), padding=padding, epsilon=epsilon, activation=activation)
    logits = model(x.permute(0, 3, 1, 2))
    tensors = {path: torch.from_numpy(v) for path, v in variables.items()}
    doubles = {path: v.double() for path, v in tensors.items()}
    other = forward(
        doubles,
        torch.from_numpy(image).double(),
        mean=torch.tensor(mean, dtype=torch.float64),
        std=torch.tensor(std, dtype=torch.float64),
        **plain,
    )
    agree(f"{name} {size} against the plain implementation", logits, other)
    if name.startswith("efficientnet_") and classes == 1000 and channels == 3:
        agree(f"{name} {size} against torchvision", logits, torchvision_logits(name, epsilon, variables, x))
    single = forward(tensors, torch.from_numpy(image), mean=torch.tensor(mean), std=torch.tensor(std), **plain)
    top = logits.topk(5, dim=1).indices
    case = {
        "model": name,
        "variant": variant,
        "padding": padding,
        "epsilon": epsilon,
        "normalize": {"mean": mean, "std": std},
        "classes": classes,
        "inChannels": channels,
        "batch": batch,
        "height": size[0],
        "width": size[1],
        **summary(logits, keep),
        "top5": top.tolist(),
        "top5Probabilities": logits.softmax(1).gather(1, top).tolist(),
        "float32Error": (single.double() - logits).abs().max().item(),
    }
    if not all(float(np.float32(c)) == c for c in mean + std):
        rounded = model(normalized(image, mean, std, rounded=True).permute(0, 3, 1, 2))
        case["float32Constants"] = {**summary(rounded, 8), "largestChange": (rounded - logits).abs().max().item()}
    print(
        f"{name:24} {size} x{batch}: std {logits.std().item():.3f}, float32 error {case['float32Error']:.1e}",
        flush=True,
    )
    return case


def observed(x: torch.Tensor) -> dict:
    """What is kept of an intermediate result [N, C, H, W] or [N, C]: seen as NHWC, samples together."""
    nhwc = (x.permute(0, 2, 3, 1) if x.dim() == 4 else x).contiguous()
    flat = nhwc.flatten()
    return {
        "shape": list(nhwc.shape),
        "mean": flat.mean().item(),
        "l2": flat.norm().item(),
        "first": flat[:3].tolist(),
        "last": flat[-3:].tolist(),
    }


def intermediates(name: str, padding: str, epsilon: float, size) -> dict:
    """Every intermediate result of B0, seen by hooks in timm's modules and checked against the plain implementation."""
    mean, std = IMAGENET
    model, variables = timm_model(name, epsilon, 1000, 3)
    seen: dict[str, torch.Tensor] = {}

    def watch(module, path):
        module.register_forward_hook(lambda _m, _i, out: seen.__setitem__(path, out.detach().clone()))

    watch(model.bn1, "stem")
    number = 0
    for stage in model.blocks:
        for block in stage:
            at = f"blocks.{number}"
            parts = (
                {"expand": block.bn1, "depthwise": block.bn2, "se": block.se, "project": block.bn3}
                if hasattr(block, "bn3")
                else {"depthwise": block.bn1, "se": block.se, "project": block.bn2}
            )
            for part, module in parts.items():
                watch(module, f"{at}/{part}")
            watch(block, at)
            number += 1
    watch(model.bn2, "head")
    watch(model.global_pool, "pooled")
    image = golden_image((1, *size, 3))
    logits = model(normalized(image, mean, std).permute(0, 3, 1, 2))
    other: dict[str, torch.Tensor] = {}
    forward(
        {path: torch.from_numpy(v).double() for path, v in variables.items()},
        torch.from_numpy(image).double(),
        strides=strides_of(model),
        padding=padding,
        epsilon=epsilon,
        activation="silu",
        mean=torch.tensor(mean, dtype=torch.float64),
        std=torch.tensor(std, dtype=torch.float64),
        observe=other.__setitem__,
    )
    assert list(other) == list(seen), (list(other), list(seen))
    for path, x in seen.items():
        agree(f"{name} {path}", x, other[path])
    return {
        "model": name,
        "variant": "b0",
        "padding": padding,
        "epsilon": epsilon,
        "normalize": {"mean": mean, "std": std},
        "classes": 1000,
        "inChannels": 3,
        "batch": 1,
        "height": size[0],
        "width": size[1],
        "values": {path: observed(x) for path, x in seen.items()} | {"logits": observed(logits)},
    }


def main() -> None:
    torch.set_grad_enabled(False)
    made = {
        "torch": torch.__version__,
        "timm": timm.__version__,
        "torchvision": torchvision.__version__,
        "python": platform.python_version(),
    }
    sizes = {
        "b0": [((224, 224), 1, 32), ((64, 64), 2, 32), ((65, 65), 2, 16), ((97, 131), 1, 16)],
        "b1": [((64, 64), 2, 16), ((71, 96), 1, 16)],
        "b2": [((64, 64), 2, 16), ((66, 83), 1, 16)],
        "b3": [((64, 64), 2, 16), ((77, 62), 1, 16)],
        "b4": [((64, 64), 2, 16), ((95, 81), 1, 16), ((128, 128), 1, 16)],
    }
    huge = {v: [((64, 64), 1, 16)] for v in ("b5", "b6", "b7")}
    lite = {
        "lite0": [((224, 224), 1, 32), ((64, 64), 2, 32), ((97, 131), 1, 16)],
        "lite1": [((64, 64), 2, 16), ((71, 96), 1, 16)],
        "lite2": [((64, 64), 2, 16), ((66, 83), 1, 16)],
        "lite3": [((64, 64), 2, 16), ((77, 62), 1, 16)],
        "lite4": [((64, 64), 2, 16), ((95, 81), 1, 16)],
    }
    same, symmetric, lites = [], [], []
    for variant, list_ in (sizes | huge).items():
        same += [make_case(f"tf_efficientnet_{variant}", variant, "same", 1e-3, IMAGENET, s, b, k) for s, b, k in list_]
    same.append(make_case("tf_efficientnet_b0", "b0", "same", 1e-3, IMAGENET, (64, 64), 2, 10, classes=10))
    same.append(
        make_case("tf_efficientnet_b0", "b0", "same", 1e-3, ([127.5], [127.5]), (50, 34), 2, 10, classes=10, channels=1)
    )
    for variant, list_ in sizes.items():
        symmetric += [
            make_case(f"efficientnet_{variant}", variant, "symmetric", 1e-5, IMAGENET, s, b, k) for s, b, k in list_
        ]
    for variant, list_ in lite.items():
        lites += [make_case(f"tf_efficientnet_{variant}", variant, "same", 1e-3, LITE, s, b, k) for s, b, k in list_]
    write("efficientnet/same.json", {"made": made, "cases": same})
    write("efficientnet/symmetric.json", {"made": made, "cases": symmetric})
    write("efficientnet/lite.json", {"made": made, "cases": lites})
    write(
        "efficientnet/intermediates-b0-same.json",
        {"made": made} | intermediates("tf_efficientnet_b0", "same", 1e-3, (64, 64)),
    )
    write(
        "efficientnet/intermediates-b0-symmetric.json",
        {"made": made} | intermediates("efficientnet_b0", "symmetric", 1e-5, (64, 64)),
    )


if __name__ == "__main__":
    main()

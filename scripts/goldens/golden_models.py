"""timm's and torchvision's models with the formula weights of golden_weights.py."""

import numpy as np
import timm
import torch
import torchvision
from effuse_names import effuse_shape, timm_names, to_torch, torchvision_names
from golden_weights import golden_variable

AGREEMENT = 1e-9


def timm_model(name: str, epsilon: float, classes: int, channels: int):
    """timm's model in float64 with formula weights, and the same weights under effuse's names (float32 numpy)."""
    model = timm.create_model(name, pretrained=False, num_classes=classes, in_chans=channels).double().eval()
    state = model.state_dict()
    variables = {}
    for key, path in timm_names(state).items():
        if path is not None:
            variables[path] = golden_variable(path, effuse_shape(path, state[key].shape))
            state[key] = torch.from_numpy(to_torch(path, variables[path])).double()
    model.load_state_dict(state, strict=True)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eps = epsilon
    return model, variables


def torchvision_logits(name: str, epsilon: float, variables, x: torch.Tensor) -> torch.Tensor:
    """torchvision's answer for the same weights."""
    model = getattr(torchvision.models, name)(weights=None).double().eval()
    state = model.state_dict()
    for key, path in torchvision_names(state).items():
        if path is not None:
            state[key] = torch.from_numpy(to_torch(path, variables[path])).double()
    model.load_state_dict(state, strict=True)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eps = epsilon
    return model(x.permute(0, 3, 1, 2))


def strides_of(model) -> list[int]:
    return [block.conv_dw.stride[0] for stage in model.blocks for block in stage]


def normalized(image: np.ndarray, mean, std, rounded: bool = False) -> torch.Tensor:
    """(image - mean) / std in float64; `rounded` takes the constants as float32 first."""
    m, s = (np.asarray(c, np.float32).astype(np.float64) if rounded else np.asarray(c, np.float64) for c in (mean, std))
    return torch.from_numpy((image.astype(np.float64) - m) / s)


def agree(what: str, a: torch.Tensor, b: torch.Tensor) -> None:
    worst = (a - b).abs().max().item()
    if not worst < AGREEMENT:
        raise SystemExit(f"{what}: differs by {worst}")

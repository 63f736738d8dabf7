"""Makes test/goldens/training/schedules.json: learning rates of the published formulas, stated here in plain Python.

Formulas: TensorFlow's documentation of tf.compat.v1.train.{cosine,linear_cosine,exponential}_decay and
piecewise_constant; the warm-up is that of NVIDIA's DeepLearningExamples (TensorFlow2/Classification/ConvNets,
WarmupDecaySchedule). check_with_tensorflow.py asks TensorFlow itself.
"""

import math

from goldens_io import write


def cosine(step, initial, steps):
    return initial * 0.5 * (1 + math.cos(math.pi * min(step, steps) / steps))


def linear_cosine(step, initial, steps, alpha=0.0, beta=0.001, num_periods=0.5):
    step = min(step, steps)
    linear_decay = (steps - step) / steps
    cosine_decay = 0.5 * (1 + math.cos(math.pi * 2 * num_periods * step / steps))
    return initial * ((alpha + linear_decay) * cosine_decay + beta)


def exponential(step, initial, rate, every, staircase):
    times = math.floor(step / every) if staircase else step / every
    return initial * rate**times


def piecewise(step, boundaries, values):
    """TensorFlow's piecewise_constant keeps the old value at the boundary itself; here the new one begins there."""
    return values[sum(step >= b for b in boundaries)]


def warmed(step, warmup, peak, after):
    return peak * step / warmup if step < warmup else after(step - warmup)


def around(*steps):
    """Each step and its neighbours, without what is below 0."""
    return sorted({s + d for s in steps for d in (-1, 0, 1) if s + d >= 0})


def recipe():
    """EfficientNet-B0 as the reference trains it: 1281167 pictures, 500 epochs, global batch 1024, lr 0.005 per 128."""
    per_epoch = 1281167 // 1024
    peak = 0.005 * 1024 / 128
    warmup, steps = 5 * per_epoch, (500 - 5) * per_epoch
    marks = around(0, warmup // 2, warmup, per_epoch * 50, per_epoch * 250, per_epoch * 499, warmup + steps, 10**6)
    return {
        "name": "the reference's recipe: warm-up over 5 epochs, then cosine to 0 evaluated at step - warmup",
        "schedule": {"kind": "warmup", "steps": warmup, "after": {"kind": "cosine", "initial": peak, "steps": steps}},
        "rates": [[s, warmed(s, warmup, peak, lambda t: cosine(t, peak, steps))] for s in marks],
    }


def case(name, schedule, rate, steps):
    return {"name": name, "schedule": schedule, "rates": [[s, rate(s)] for s in steps]}


def cases():
    made = [recipe()]
    made.append(
        case(
            "cosine",
            {"kind": "cosine", "initial": 0.5, "steps": 100},
            lambda s: cosine(s, 0.5, 100),
            [*around(0, 25, 50, 75, 100), 500],
        )
    )
    for alpha, beta, periods in ((0.0, 0.001, 0.5), (0.1, 0.01, 2.5), (0.0, 0.0, 1.0)):
        made.append(
            case(
                f"linear cosine: alpha {alpha}, beta {beta}, {periods} periods",
                {
                    "kind": "linearCosine",
                    "initial": 0.032,
                    "steps": 1000,
                    "alpha": alpha,
                    "beta": beta,
                    "numPeriods": periods,
                },
                lambda s, a=alpha, b=beta, p=periods: linear_cosine(s, 0.032, 1000, a, b, p),
                [*around(0, 100, 333, 500, 777, 1000), 5000],
            )
        )
    every = 2.4 * 1251
    for staircase in (True, False):
        made.append(
            case(
                f"exponential: 0.97 every 2.4 epochs of 1251 steps, {'staircase' if staircase else 'smooth'}",
                {"kind": "exponential", "initial": 0.016, "rate": 0.97, "every": every, "staircase": staircase},
                lambda s, st=staircase: exponential(s, 0.016, 0.97, every, st),
                around(0, math.ceil(every), math.ceil(10 * every), math.ceil(100 * every)),
            )
        )
    boundaries, values = [1000, 5000, 2**24 + 1], [0.1, 0.01, 0.001, 0.0001]
    made.append(
        case(
            "piecewise, a boundary beyond float32's integers among them",
            {"kind": "piecewise", "boundaries": boundaries, "values": values},
            lambda s: piecewise(s, boundaries, values),
            around(0, 1000, 5000, 2**24, 2**24 + 2),
        )
    )
    return made


if __name__ == "__main__":
    write("training/schedules.json", {"cases": cases()})

"""Asks TensorFlow itself whether the goldens of training say what TensorFlow does; writes nothing.

Needs tensorflow-cpu 2.21.0 and numpy instead of the packages of requirements.txt. Compared: the rates of schedules.json with
tf.compat.v1.train's decays, RMSprop with epsilon inside the root with the kernel ApplyRMSProp, Nesterov's momentum with
ApplyKerasMomentum, the averages with ExponentialMovingAverage and its num_updates, moving variances with FusedBatchNormV3,
philox.json with the kernel of stateless random numbers.
"""

import json
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import tensorflow as tf
from goldens_io import GOLDENS

decays = tf.compat.v1.train


def golden(name: str) -> dict:
    return json.loads((GOLDENS / name).read_text(encoding="utf-8"))


def agree(what: str, got, want, tolerance: float) -> None:
    worst = float(np.max(np.abs(np.asarray(got, np.float64) - np.asarray(want, np.float64))))
    print(f"{what}: {worst:.1e}")
    if not worst <= tolerance:
        raise SystemExit(f"{what}: differs by {worst}")


def rate(schedule: dict, step: int) -> float:
    """The decays take the step as a tensor of the rate's dtype."""
    kind = schedule["kind"]
    if kind == "warmup":
        after = schedule["after"]
        warming = step < schedule["steps"]
        return after["initial"] * step / schedule["steps"] if warming else rate(after, step - schedule["steps"])
    if kind == "piecewise":
        # TensorFlow's boundaries belong to the piece before them.
        return decays.piecewise_constant(step, [b - 1 for b in schedule["boundaries"]], schedule["values"])()
    if kind == "exponential":
        initial = tf.constant(schedule["initial"], tf.float64)  # in float32 the end of a stair may be a step off
        return decays.exponential_decay(initial, step, schedule["every"], schedule["rate"], schedule["staircase"])()
    initial = tf.constant(schedule["initial"], tf.float32)  # the cosines know pi in float32 only
    if kind == "cosine":
        return decays.cosine_decay(initial, step, schedule["steps"])()
    shape = {"num_periods": schedule["numPeriods"], "alpha": schedule["alpha"], "beta": schedule["beta"]}
    return decays.linear_cosine_decay(initial, step, schedule["steps"], **shape)()


def check_schedules() -> None:
    for case in golden("training/schedules.json")["cases"]:
        got = [float(rate(case["schedule"], step)) for step, _ in case["rates"]]
        want = [rate for _, rate in case["rates"]]
        agree(case["name"], got, want, 1e-6 * max(want))


def check_optimizers() -> None:
    """The kernels of TensorFlow on a row of gradients, against plain_training.py's formulas in numpy."""
    gradients = np.sin(np.arange(40.0)).reshape(10, 4)
    w, ms, mom = (tf.Variable(np.full(4, v)) for v in (0.5, 1.0, 0.0))
    plain_w, plain_ms, plain_mom = np.full(4, 0.5), np.full(4, 1.0), np.zeros(4)
    for step, g in enumerate(gradients):
        lr = 0.01 * (step + 1)
        tf.raw_ops.ResourceApplyRMSProp(
            var=w.handle, ms=ms.handle, mom=mom.handle, lr=tf.constant(lr, tf.float64), rho=tf.constant(0.9, tf.float64),
            momentum=tf.constant(0.9, tf.float64), epsilon=tf.constant(1e-3, tf.float64), grad=tf.constant(g),
        )  # fmt: skip
        plain_ms = 0.9 * plain_ms + 0.1 * g**2
        plain_mom = 0.9 * plain_mom + lr * g / np.sqrt(plain_ms + 1e-3)
        plain_w = plain_w - plain_mom
    agree("ApplyRMSProp", w.numpy(), plain_w, 1e-14)
    w, m = tf.Variable(np.full(4, 0.5)), tf.Variable(np.zeros(4))
    plain_w, plain_m = np.full(4, 0.5), np.zeros(4)
    for step, g in enumerate(gradients):
        lr = 0.01 * (step + 1)
        tf.raw_ops.ResourceApplyKerasMomentum(
            var=w.handle, accum=m.handle, lr=tf.constant(lr, tf.float64), grad=tf.constant(g),
            momentum=tf.constant(0.9, tf.float64), use_nesterov=True,
        )  # fmt: skip
        plain_m = 0.9 * plain_m - lr * g
        plain_w = plain_w + 0.9 * plain_m - lr * g
    agree("ApplyKerasMomentum, Nesterov", w.numpy(), plain_w, 1e-14)


def check_averages() -> None:
    values = np.cos(np.arange(20.0))
    variable, count = tf.Variable(1.0, dtype=tf.float64), tf.Variable(0, dtype=tf.int32)
    plain = 1.0
    averages = tf.train.ExponentialMovingAverage(0.3, num_updates=count)
    averages.apply([variable])  # with num_updates 0 the average is 1 still
    for step, value in enumerate(values):
        variable.assign(value)
        count.assign(step + 1)
        averages.apply([variable])
        d = min(0.3, (2 + step) / (11 + step))
        plain = d * plain + (1 - d) * value
    agree("ExponentialMovingAverage", averages.average(variable).numpy(), plain, 1e-6)


def check_norm() -> None:
    x = np.random.default_rng(0).normal(3, 2, (2, 3, 3, 4)).astype(np.float32)
    _, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=x, scale=np.ones(4, np.float32), offset=np.zeros(4, np.float32), mean=np.zeros(4, np.float32),
        variance=np.zeros(4, np.float32), exponential_avg_factor=1.0, is_training=True,
    )  # fmt: skip
    rows = x.astype(np.float64).reshape(-1, 4)
    agree("FusedBatchNormV3, mean", mean, rows.mean(0), 1e-6)
    agree("FusedBatchNormV3, variance with Bessel's correction", variance, rows.var(0, ddof=1), 1e-5)


def check_philox() -> None:
    for case in golden("training/philox.json")["cases"]:
        run = case["runIndex"]
        words = tf.raw_ops.StatelessRandomUniformFullIntV2(
            shape=[len(case["words"])],
            key=tf.constant([case["seed"] | case["streamKey"] << 32], tf.uint64),
            counter=tf.constant([(run & 0xFFFFFFFF) << 32, run >> 32 | case["replica"] << 32], tf.uint64),
            alg=1,
            dtype=tf.uint32,
        )
        if words.numpy().tolist() != case["words"]:
            raise SystemExit(f"philox: {case} differs")
    print("philox: the same words")


if __name__ == "__main__":
    check_schedules()
    check_optimizers()
    check_averages()
    check_norm()
    check_philox()

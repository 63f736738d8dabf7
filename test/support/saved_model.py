"""Loads a SavedModel by Python TensorFlow and calls it. Reads {folder, calls, restored} as JSON, prints what came as JSON.

Each call is {signature, feeds: {name: {dtype, shape, data}}}. After them the variables are written as a checkpoint and read into a second load,
on which the calls of `restored` run.
"""

import json
import os
import sys
import tempfile

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy
import tensorflow as tf


def call(loaded, request):
    feeds = {
        name: tf.constant(numpy.array(feed["data"], feed["dtype"]).reshape(feed["shape"]))
        for name, feed in request["feeds"].items()
    }
    results = loaded.signatures[request["signature"]](**feeds)
    return {name: value.numpy().ravel().tolist() for name, value in results.items()}


def main():
    request = json.load(sys.stdin)
    loaded = tf.saved_model.load(request["folder"])
    calls = [call(loaded, one) for one in request["calls"]]
    with tempfile.TemporaryDirectory() as folder:
        path = tf.train.Checkpoint(variables=loaded.variables).write(os.path.join(folder, "state"))
        again = tf.saved_model.load(request["folder"])
        tf.train.Checkpoint(variables=again.variables).read(path).assert_consumed()
        restored = [call(again, one) for one in request["restored"]]
    variables = {v.name.removesuffix(":0"): {"trainable": v.trainable, "shape": v.shape.as_list()} for v in loaded.variables}
    json.dump({"version": tf.__version__, "calls": calls, "restored": restored, "variables": variables}, sys.stdout)


main()

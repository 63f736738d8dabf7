"""Keras' EfficientNet in TensorFlow's graph mode (tf.function), for inference or as a training step. See protocol.py."""

import os
import time

from protocol import read_floats, read_weights, serve


def build(config):
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    import keras
    import numpy
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(config["threads"])
    tf.config.threading.set_inter_op_parallelism_threads(config["threads"])
    start = time.perf_counter()
    make = getattr(keras.applications, f"EfficientNet{config['variant'].upper()}")
    net = make(weights=None, classes=config["classes"], input_shape=config["imageShape"][1:], classifier_activation=None)
    load(net, read_weights(numpy, config), config)
    images = tf.constant(read_floats(numpy, config["image"], config["imageShape"]))
    training = config["training"]
    versions = f"TensorFlow {tf.__version__}, Keras {keras.__version__}"
    if training is not None:
        labels = tf.constant(read_floats(numpy, config["label"], [config["imageShape"][0]], "int32"))
        step = step_of(net, images, labels, config, keras, tf)
        return versions, step, lambda: None, 1000 * (time.perf_counter() - start)

    @tf.function(jit_compile=False)
    def infer(x):
        logits = net(x, training=False)
        return logits, tf.nn.softmax(logits)

    run = lambda: [result.numpy() for result in infer(images)]
    return versions, run, lambda: run()[0].reshape(-1).tolist(), 1000 * (time.perf_counter() - start)


def load(net, weights, config):
    """effuse's variables are in the order and in the layouts of Keras'; Keras normalises by a layer with numbers of its own."""
    own = [value for value in net.weights if not value.path.startswith("normalization")]
    if len(own) != len(weights):
        raise ValueError(f"Keras' network has {len(own)} variables, effuse's {len(weights)}")
    for variable, weight in zip(own, weights):
        if list(variable.shape) != list(weight.shape):
            raise ValueError(f"{variable.path} is {list(variable.shape)} in Keras' network and {list(weight.shape)} in effuse's")
        variable.assign(weight)
    for layer in net.layers:
        if layer.name.startswith("normalization"):
            # After Rescaling by 1/255.
            layer.adapt_mean.assign([mean / 255 for mean in config["mean"]])
            layer.adapt_variance.assign([(deviation / 255) ** 2 for deviation in config["deviation"]])
            layer.finalize_state()


def step_of(net, images, labels, config, keras, tf):
    options = config["training"]
    optimizer = keras.optimizers.RMSprop(
        float(options["learningRate"]), rho=options["rho"], momentum=options["momentum"], epsilon=options["epsilon"]
    )
    optimizer.build(net.trainable_variables)
    decayed = [v for v in net.trainable_variables if not v.path.endswith(("gamma", "beta"))]
    targets = tf.one_hot(labels, config["classes"])
    smoothed = targets * (1 - options["labelSmoothing"]) + options["labelSmoothing"] / config["classes"]
    averaged = [v for v in net.weights if not v.path.startswith("normalization")]
    averages = [tf.Variable(v.value) for v in averaged]

    @tf.function(jit_compile=False)
    def step(x, y):
        with tf.GradientTape() as tape:
            data_loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(y, net(x, training=True)))
            loss = data_loss + 2 * options["weightDecay"] * tf.add_n([tf.nn.l2_loss(v) for v in decayed])
        gradients = tape.gradient(loss, [v.value for v in net.trainable_variables])
        optimizer.apply(gradients, net.trainable_variables)
        if options["emaDecay"] is not None:
            for average, value in zip(averages, averaged):
                average.assign_sub((1 - options["emaDecay"]) * (average - value.value))
        return loss

    return lambda: step(images, smoothed).numpy()


serve(build)

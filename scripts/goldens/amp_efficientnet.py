"""EfficientNet-B0 and B4 in plain TensorFlow ops, as graphs for the mixed-precision rewrite. Nothing runs, so no weights are needed.

Batch sizes are fixed: with an unknown one, each gradient of a product passes a Sum, which TensorFlow keeps in float32.
"""

import math

import tensorflow as tf

ops = tf.raw_ops
# kernel, repeats, filters, expansion, stride; the squeeze is a quarter of the block's input.
STAGES = (
    (3, 1, 16, 1, 1),
    (3, 2, 24, 6, 2),
    (5, 2, 40, 6, 2),
    (3, 3, 80, 6, 2),
    (5, 3, 112, 6, 1),
    (5, 4, 192, 6, 2),
    (3, 1, 320, 6, 1),
)
SCALES = {"b0": (1.0, 1.0, 224), "b4": (1.4, 1.8, 380)}
DECAY, CLASSES = 0.99, 1000


class Net:
    """Adds layers to the default graph, and remembers what to update after the step."""

    def __init__(self, training: bool, drops: bool = False):
        self.training = training
        self.drops = drops
        self.handles = {}  # the value read of each trained variable -> its handle
        self.updates = []

    def variable(self, name: str, shape: list[int], trained: bool = True):
        handle = ops.VarHandleOp(dtype=tf.float32, shape=shape, shared_name=name, name=name)
        value = ops.ReadVariableOp(resource=handle, dtype=tf.float32, name=f"{name}/read")
        value.set_shape(shape)
        if trained:
            self.handles[value.ref()] = handle
        return handle, value

    def conv(self, x, filters: int, kernel: int, stride: int, name: str, bias: bool = False):
        _, weight = self.variable(f"{name}/kernel", [kernel, kernel, x.shape[-1], filters])
        x = ops.Conv2D(input=x, filter=weight, strides=[1, stride, stride, 1], padding="SAME", name=name)
        if not bias:
            return x
        return ops.BiasAdd(value=x, bias=self.variable(f"{name}/bias", [filters])[1], name=f"{name}/add")

    def depthwise(self, x, kernel: int, stride: int, name: str):
        _, weight = self.variable(f"{name}/kernel", [kernel, kernel, x.shape[-1], 1])
        return ops.DepthwiseConv2dNative(
            input=x, filter=weight, strides=[1, stride, stride, 1], padding="SAME", name=name
        )

    def norm(self, x, name: str):
        channels = [x.shape[-1]]
        _, scale = self.variable(f"{name}/scale", channels)
        _, offset = self.variable(f"{name}/offset", channels)
        mean_handle, mean = self.variable(f"{name}/mean", channels, trained=False)
        variance_handle, variance = self.variable(f"{name}/variance", channels, trained=False)
        empty = tf.constant([], tf.float32)
        norm = ops.FusedBatchNormV3(
            x=x,
            scale=scale,
            offset=offset,
            mean=empty if self.training else mean,
            variance=empty if self.training else variance,
            epsilon=1e-3,
            is_training=self.training,
            name=name,
        )
        if self.training:
            for handle, old, new in (
                (mean_handle, mean, norm.batch_mean),
                (variance_handle, variance, norm.batch_variance),
            ):
                step = ops.Mul(x=ops.Sub(x=old, y=new), y=tf.constant(1 - DECAY))
                self.updates.append(ops.AssignSubVariableOp(resource=handle, value=step))
        return norm.y

    def silu(self, x):
        return ops.Mul(x=x, y=ops.Sigmoid(x=x))

    def squeeze_excite(self, x, squeezed: int, name: str):
        s = ops.Mean(input=x, axis=[1, 2], keep_dims=True, name=f"{name}/mean")
        s = self.silu(self.conv(s, squeezed, 1, 1, f"{name}/reduce", bias=True))
        s = self.conv(s, x.shape[-1], 1, 1, f"{name}/expand", bias=True)
        return ops.Mul(x=x, y=ops.Sigmoid(x=s), name=f"{name}/scale")

    def drop_path(self, x, rate: float, name: str):
        """Drops whole pictures, and divides the others by the share that is kept."""
        if not self.drops or rate == 0:
            return x
        noise = ops.RandomUniform(shape=[x.shape[0], 1, 1, 1], dtype=tf.float32, name=f"{name}/noise")
        kept = ops.Floor(x=ops.AddV2(x=noise, y=tf.constant(1 - rate)), name=f"{name}/kept")
        return ops.Mul(x=ops.RealDiv(x=x, y=tf.constant(1 - rate)), y=kept, name=name)

    def block(self, x, filters: int, kernel: int, expand: int, stride: int, drop: float, name: str):
        first, squeezed = x, max(1, x.shape[-1] // 4)
        if expand > 1:
            x = self.silu(self.norm(self.conv(x, x.shape[-1] * expand, 1, 1, f"{name}/expand"), f"{name}/expand/bn"))
        x = self.silu(self.norm(self.depthwise(x, kernel, stride, f"{name}/depthwise"), f"{name}/depthwise/bn"))
        x = self.squeeze_excite(x, squeezed, f"{name}/se")
        x = self.norm(self.conv(x, filters, 1, 1, f"{name}/project"), f"{name}/project/bn")
        if stride != 1 or first.shape != x.shape:
            return x
        return ops.AddV2(x=self.drop_path(x, drop, f"{name}/drop"), y=first, name=f"{name}/add")

    def logits(self, image, width: float, depth: float):
        def filters(n: int) -> int:
            n, rounded = n * width, max(8, int(n * width + 4) // 8 * 8)
            return rounded + 8 if rounded < 0.9 * n else rounded

        x = self.silu(self.norm(self.conv(image, filters(32), 3, 2, "stem"), "stem/bn"))
        blocks = [
            (kernel, filters(out), expand, stride if i == 0 else 1)
            for kernel, repeats, out, expand, stride in STAGES
            for i in range(math.ceil(repeats * depth))
        ]
        for i, (kernel, out, expand, stride) in enumerate(blocks):
            x = self.block(x, out, kernel, expand, stride, 0.2 * i / len(blocks), f"blocks.{i}")
        x = self.silu(self.norm(self.conv(x, filters(1280), 1, 1, "head"), "head/bn"))
        x = ops.Mean(input=x, axis=[1, 2], name="head/mean")
        if self.drops:
            noise = ops.RandomUniform(shape=x.shape, dtype=tf.float32, name="head/noise")
            kept = ops.Cast(x=ops.GreaterEqual(x=noise, y=tf.constant(0.2)), DstT=tf.float32, name="head/kept")
            x = ops.Mul(x=ops.Mul(x=x, y=tf.constant(1 / 0.8)), y=kept, name="head/dropout")
        _, kernel = self.variable("head/dense/kernel", [x.shape[-1], CLASSES])
        x = ops.MatMul(a=x, b=kernel, name="head/dense")
        return ops.BiasAdd(value=x, bias=self.variable("head/dense/bias", [CLASSES])[1], name="logits")


def inference(variant: str) -> tuple[tf.compat.v1.GraphDef, list[str]]:
    width, depth, size = SCALES[variant]
    graph = tf.Graph()
    with graph.as_default():
        image = ops.Placeholder(dtype=tf.float32, shape=[1, size, size, 3], name="image")
        ops.Softmax(logits=Net(training=False).logits(image, width, depth), name="probabilities")
    return graph.as_graph_def(), ["probabilities"]


def training(variant: str, drops: bool) -> tuple[tf.compat.v1.GraphDef, list[str]]:
    """Forward, cross-entropy, backward, RMSprop with one op a variable, moving statistics; `drops`: dropped paths and dropout."""
    width, depth, size = SCALES[variant]
    graph = tf.Graph()
    with graph.as_default():
        image = ops.Placeholder(dtype=tf.float32, shape=[8, size, size, 3], name="image")
        label = ops.Placeholder(dtype=tf.int32, shape=[8], name="label")
        net = Net(training=True, drops=drops)
        each = ops.SparseSoftmaxCrossEntropyWithLogits(features=net.logits(image, width, depth), labels=label)
        loss = ops.Mean(input=each.loss, axis=[0], name="loss")
        rate, rho, momentum, epsilon = (tf.constant(v) for v in (0.01, 0.9, 0.9, 1e-3))
        values = [ref.deref() for ref in net.handles]
        for value, gradient in zip(values, tf.gradients(loss, values), strict=True):
            handle = net.handles[value.ref()]
            name = handle.op.name
            slots = [
                ops.VarHandleOp(dtype=tf.float32, shape=value.shape, shared_name=f"{name}/{slot}", name=f"{name}/{slot}")
                for slot in ("meanSquare", "momentum")
            ]
            net.updates.append(
                ops.ResourceApplyRMSProp(
                    var=handle, ms=slots[0], mom=slots[1], lr=rate, rho=rho, momentum=momentum, epsilon=epsilon, grad=gradient
                )
            )
        with tf.control_dependencies(net.updates):
            ops.NoOp(name="step")
    # tf.gradients leaves nodes that nothing needs: gradients of constants and masks.
    fetches = ["loss", "step"]
    return tf.compat.v1.graph_util.extract_sub_graph(graph.as_graph_def(), fetches), fetches


def efficientnets() -> dict[str, tuple[tf.compat.v1.GraphDef, list[str]]]:
    return {
        "b0-inference": inference("b0"),
        "b4-inference": inference("b4"),
        "b0-training": training("b0", drops=False),
        "b0-training-drops": training("b0", drops=True),
    }

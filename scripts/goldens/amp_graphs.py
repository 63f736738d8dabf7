"""Small graphs for the goldens of mixed precision: the situations of TensorFlow's own test suite, and random graphs.

Each is a pair (GraphDef, names of the fetched nodes). Nodes stand in topological order, as TensorFlow builds them.
"""

import random

import tensorflow as tf
from amp_rewrite import CPU

ops = tf.raw_ops
Case = tuple[tf.compat.v1.GraphDef, list[str]]


def built(build) -> Case:
    """`build(x)` adds nodes to an empty graph that holds the placeholder `input`, and returns the names of the fetches."""
    graph = tf.Graph()
    with graph.as_default():
        fetches = build(ops.Placeholder(dtype=tf.float32, shape=[8, 8], name="input"))
    return graph.as_graph_def(), fetches


def chain(x, *steps):
    """Applies ops of one operand one after another; `name=op`, and MatMul takes the value twice."""
    for step in steps:
        name, op = step.split("=")
        if op in ("MatMul", "SparseMatMul"):
            x = getattr(ops, op)(a=x, b=x, name=name)
        elif op in ("Relu", "Elu", "Selu", "Softplus", "Softsign"):
            x = getattr(ops, op)(features=x, name=name)
        elif op in ("Softmax", "LogSoftmax"):
            x = getattr(ops, op)(logits=x, name=name)
        elif op == "Identity":
            x = ops.Identity(input=x, name=name)
        else:
            x = getattr(ops, op)(x=x, name=name)
    return x


def no_allow_op(x):
    chain(x, "deny1=Exp", "clear1=Relu", "infer1=Sqrt", "clear2=Relu", "fetch=Identity")
    return ["fetch"]


def already_half(x):
    y = ops.Cast(x=x, DstT=tf.float16, name="cast1")
    y = chain(y, "allow1=MatMul", "clear1=Relu")
    y = ops.Cast(x=y, DstT=tf.float32, name="cast2")
    chain(y, "clear2=Relu", "fetch=Identity")
    return ["fetch"]


def simple(x):
    chain(
        x,
        *("deny1=Exp", "clear1=Relu", "infer1=Sqrt", "clear2=Relu", "allow1=MatMul", "clear3=Relu", "infer2=Log"),
        *("clear4=Relu", "unlisted1=SparseMatMul", "clear5=Relu", "fetch=Identity"),
    )
    return ["fetch"]


def clear_chain_both_ways(x):
    clear1 = ops.Relu(features=x, name="clear1")
    clear2 = ops.Relu(features=x, name="clear2")
    chain(clear1, "allow1=MatMul", "fetch1=Identity")
    ops.ShapeN(input=[clear1, clear2], name="clear3")
    chain(clear2, "clear4=Relu", "fetch2=Identity")
    return ["fetch1", "fetch2"]


def fetched_nodes(x):
    chain(
        x,
        *("allow1=MatMul", "clear1=Relu", "infer1=Sqrt", "deny1=Exp", "clear2=Relu"),
        *("allow2=MatMul", "clear3=Relu", "deny2=Exp", "clear4=Relu"),
    )
    return ["allow1", "clear2", "clear3"]


def nodes_on_the_cpu(x):
    y = chain(x, "clear1=Relu", "allow1=MatMul", "infer1=Tanh")
    with tf.device(CPU):
        y = chain(y, "allow2=MatMul")
    chain(y, "clear2=Relu", "fetch=Identity")
    return ["fetch"]


def identity_after_variable(x):
    variable = ops.VariableV2(shape=[8, 8], dtype=tf.float32, name="variable1")
    clear1 = ops.Identity(input=variable, name="clear1")
    chain(ops.MatMul(a=x, b=clear1, name="allow1"), "fetch1=Identity")
    clear2 = ops.Identity(input=ops.Placeholder(dtype=tf.float32, shape=[8, 8], name="input2"), name="clear2")
    chain(ops.MatMul(a=x, b=clear2, name="allow2"), "fetch2=Identity")
    return ["fetch1", "fetch2"]


def conv(x, filters, name):
    return ops.Conv2D(input=x, filter=filters, strides=[1, 1, 1, 1], padding="SAME", name=name)


def batch_norm_and_gradient(version: str):
    """conv, batch norm, its gradient, add, conv; `version` '' is the op without a type of its own for the statistics."""

    def build(_x):
        image, weight = (
            ops.Placeholder(dtype=tf.float32, shape=shape, name=name)
            for name, shape in (("image", [8, 56, 56, 16]), ("weight", [3, 3, 16, 16]))
        )
        scale, offset = (
            ops.Placeholder(dtype=tf.float32, shape=[16], name=name) for name in ("scale", "offset")
        )
        empty = tf.constant([], tf.float32, name="empty")
        allow1 = conv(image, weight, "allow1")
        norm = getattr(ops, f"FusedBatchNorm{version}")(
            x=allow1, scale=scale, offset=offset, mean=empty, variance=empty, name="norm1"
        )
        extra = {"reserve_space_3": norm.reserve_space_3} if version == "V3" else {}
        gradient = getattr(ops, f"FusedBatchNormGrad{version}")(
            y_backprop=norm.y,
            x=allow1,
            scale=scale,
            reserve_space_1=norm.reserve_space_1,
            reserve_space_2=norm.reserve_space_2,
            name="gradient1",
            **extra,
        )
        infer1 = ops.Add(x=norm.y, y=gradient.x_backprop, name="infer1")
        ops.Identity(input=conv(infer1, weight, "allow2"), name="fetch")
        return ["fetch"]

    return build


def repeated_and_list_types(x):
    allow1 = ops.MatMul(a=x, b=x, name="allow1")
    clear1 = ops.IdentityN(input=[allow1, allow1, allow1], name="clear1")
    chain(ops.AddN(inputs=list(clear1), name="infer1"), "allow2=MatMul", "fetch=Identity")
    return ["fetch"]


def existing_cast(_x):
    flags = ops.Placeholder(dtype=tf.bool, shape=[8, 8], name="flags")
    chain(ops.Cast(x=flags, DstT=tf.float32, name="cast1"), "allow1=MatMul", "fetch=Identity")
    return ["fetch"]


def existing_cast_with_another_user(_x):
    flags = ops.Placeholder(dtype=tf.bool, shape=[8, 8], name="flags")
    cast = ops.Cast(x=flags, DstT=tf.float32, name="cast1")
    chain(cast, "allow1=MatMul", "fetch1=Identity")
    chain(cast, "deny1=Exp", "fetch2=Identity")
    return ["fetch1", "fetch2"]


def fetched_cast(_x):
    flags = ops.Placeholder(dtype=tf.bool, shape=[8, 8], name="flags")
    chain(ops.Cast(x=flags, DstT=tf.float32, name="cast1"), "allow1=MatMul", "fetch=Identity")
    return ["cast1", "fetch"]


def allow_op_that_cannot_be_half(x):
    """GRUBlockCell is on the allow list, but its definition knows float32 alone."""
    state = ops.Tanh(x=ops.MatMul(a=x, b=x, name="allow1"), name="infer1")
    weights = [ops.Placeholder(dtype=tf.float32, shape=[16, n], name=f"weight{n}") for n in (16, 8)]
    biases = [ops.Placeholder(dtype=tf.float32, shape=[n], name=f"bias{n}") for n in (16, 8)]
    cell = ops.GRUBlockCell(
        x=x, h_prev=state, w_ru=weights[0], w_c=weights[1], b_ru=biases[0], b_c=biases[1], name="allow2"
    )
    chain(cell.h, "infer2=Sigmoid", "allow3=MatMul", "fetch=Identity")
    chain(cell.c, "clear1=Relu", "infer3=Log", "fetch2=Identity")
    return ["fetch", "fetch2"]


def clear_op_without_a_half_kernel(x):
    allow1 = ops.MatMul(a=x, b=x, name="allow1")
    ops.Identity(input=ops.Where(condition=ops.Relu(features=allow1, name="clear1"), name="clear2"), name="fetch")
    return ["fetch"]


def matmul_of_integers(x):
    integers = ops.Placeholder(dtype=tf.int32, shape=[8, 8], name="integers")
    y = chain(integers, "allow1=MatMul", "clear1=Neg", "allow2=MatMul")
    y = ops.Cast(x=y, DstT=tf.float32, name="cast1")
    ops.Identity(input=ops.MatMul(a=y, b=x, name="allow3"), name="fetch")
    return ["fetch"]


def batched_matmul(x):
    y = ops.Reshape(tensor=x, shape=[4, 4, 4], name="clear1")
    ops.Identity(input=ops.BatchMatMul(x=y, y=y, name="allow1"), name="fetch")
    return ["fetch"]


def unary_between(op: str):
    def build(x):
        eye = ops.Placeholder(dtype=tf.float32, shape=[8, 8], name="eye")
        allow1 = ops.MatMul(a=x, b=eye, name="allow1")
        infer1 = chain(allow1, f"infer1={op}")
        ops.Identity(input=ops.MatMul(a=infer1, b=eye, name="allow2"), name="fetch")
        return ["fetch"]

    return build


UNARY = ("Elu", "Erf", "Erfc", "Inv", "Log", "Log1p", "LogSoftmax", "Reciprocal", "Selu", "Sigmoid", "Softmax")
UNARY += ("Softplus", "Softsign", "Sqrt", "Tanh")


def conformance() -> dict[str, Case]:
    """The situations of TensorFlow's test suite, and a few beside them."""
    builders = {
        "no allow op": no_allow_op,
        "already half": already_half,
        "exp, relu, sqrt, relu, matmul, relu, log, relu, sparse matmul, relu": simple,
        "clear chain both ways": clear_chain_both_ways,
        "fetched nodes": fetched_nodes,
        "nodes on the CPU": nodes_on_the_cpu,
        "identity after a variable": identity_after_variable,
        "conv, batch norm, its gradient, add, conv": batch_norm_and_gradient(""),
        "the same with FusedBatchNormV3": batch_norm_and_gradient("V3"),
        "repeated and list types": repeated_and_list_types,
        "existing cast": existing_cast,
        "existing cast with another user": existing_cast_with_another_user,
        "fetched cast": fetched_cast,
        "batched matmul": batched_matmul,
        "allow op that cannot be half": allow_op_that_cannot_be_half,
        "clear op without a half kernel": clear_op_without_a_half_kernel,
        "matmul of integers": matmul_of_integers,
    }
    return {name: built(build) for name, build in builders.items()} | {
        f"{op} between two matmuls": built(unary_between(op)) for op in UNARY
    }


class Random:
    """Adds random nodes on 8 x 8 matrices of float32 or float16."""

    def __init__(self, seed: int, first):
        self.draw = random.Random(seed)
        self.values = [first]

    def pick(self, dtype=tf.float32):
        """A value of the dtype, mostly a recent one, so that chains grow; a constant where there is none."""
        known = [v for v in self.values if v.dtype == dtype]
        if not known:
            return tf.constant(1.0, dtype, [8, 8])
        return known[max(0, len(known) - 1 - int(self.draw.expovariate(0.4)))]

    def step(self) -> None:
        kinds = (
            *([self.matmul] * 5 + [self.deny] * 2 + [self.infer] * 6 + [self.clear] * 6),
            *([self.unlisted] + [self.cast] * 2 + [self.image] + [self.several] * 2 + [self.source]),
        )
        dtype = tf.float16 if self.draw.random() < 0.1 else tf.float32
        on_cpu = self.draw.random() < 0.05
        with tf.device(CPU if on_cpu else None):
            self.values.extend(self.draw.choice(kinds)(dtype))

    def matmul(self, t):
        a, b = self.pick(t), self.pick(t)
        kind = self.draw.randrange(3)
        if kind == 0:
            return [ops.MatMul(a=a, b=b)]
        if kind == 1:
            return [ops.BatchMatMulV2(x=a, y=b)]
        return [ops.Einsum(inputs=[a, b], equation="ij,jk->ik")]

    def deny(self, t):
        x = self.pick(t)
        kind = self.draw.randrange(5)
        if kind < 3:
            return [(ops.Exp, ops.Expm1, lambda x: ops.Pow(x=x, y=self.pick(t)))[kind](x=x)]
        rows = (ops.Sum, ops.Mean)[kind - 3](input=x, axis=[1], keep_dims=True)
        return [ops.BroadcastTo(input=rows, shape=[8, 8])]

    def infer(self, t):
        x = self.pick(t)
        one = ("Sigmoid", "Tanh", "Log", "Log1p", "Sqrt", "Reciprocal", "Elu", "Softplus", "Softmax", "LogSoftmax", "Erf")
        two = (ops.Add, ops.AddV2, ops.Sub, ops.Mul, ops.RealDiv)
        if self.draw.random() < 0.4:
            return [chain(x, f"{op}={op}") for op in [self.draw.choice(one)]]
        return [self.draw.choice(two)(x=x, y=self.pick(t))]

    def clear(self, t):
        x = self.pick(t)
        shift = tf.constant([1, 0])
        kinds = (
            lambda: ops.Relu(features=x),
            lambda: ops.Relu6(features=x),
            lambda: ops.Abs(x=x),
            lambda: ops.Neg(x=x),
            lambda: ops.Identity(input=x),
            lambda: ops.Transpose(x=x, perm=shift),
            lambda: ops.Reshape(tensor=x, shape=[8, 8]),
            lambda: ops.Maximum(x=x, y=self.pick(t)),
            lambda: ops.Minimum(x=x, y=self.pick(t)),
            lambda: ops.SelectV2(condition=ops.Greater(x=x, y=self.pick(t)), t=self.pick(t), e=self.pick(t)),
            lambda: ops.BroadcastTo(input=ops.Max(input=x, axis=[0], keep_dims=True), shape=[8, 8]),
            lambda: ops.Slice(input=ops.ConcatV2(values=[x, self.pick(t)], axis=0), begin=[3, 0], size=[8, 8]),
            lambda: ops.GatherV2(params=x, indices=list(range(8)), axis=0),
            lambda: ops.Pad(input=ops.StridedSlice(input=x, begin=[0, 0], end=[7, 8], strides=[1, 1]), paddings=[[0, 1], [0, 0]]),
        )
        return [self.draw.choice(kinds)()]

    def unlisted(self, t):
        x = self.pick(t)
        return [self.draw.choice((ops.Square, ops.Rsqrt, ops.Cos))(x=x)]

    def cast(self, t):
        """Between the types, or from something that is not float."""
        if self.draw.random() < 0.4:
            x = self.pick(t)
            flags = ops.IsFinite(x=x) if self.draw.random() < 0.5 else ops.Greater(x=x, y=self.pick(t))
            return [ops.Cast(x=flags, DstT=t)]
        other = tf.float32 if t == tf.float16 else tf.float16
        return [ops.Cast(x=self.pick(t), DstT=other)]

    def image(self, t):
        """Convolution, bias, batch norm, pooling: ops with several type attributes."""
        x = ops.Reshape(tensor=self.pick(t), shape=[1, 4, 4, 4])
        kind = self.draw.randrange(5)
        if kind == 0:
            y = conv(x, ops.Reshape(tensor=self.pick(t), shape=[2, 2, 4, 4]), "Conv2D")
        elif kind == 1:
            filters = ops.Reshape(tensor=self.pick(t), shape=[4, 4, 4, 1])
            y = ops.DepthwiseConv2dNative(input=x, filter=filters, strides=[1, 1, 1, 1], padding="SAME")
        elif kind == 2:
            y = ops.BiasAdd(value=x, bias=ops.Slice(input=ops.Reshape(tensor=self.pick(t), shape=[64]), begin=[0], size=[4]))
        elif kind == 3:
            four = ops.Slice(input=ops.Reshape(tensor=self.pick(), shape=[64]), begin=[0], size=[4])
            norm = ops.FusedBatchNormV3(
                x=x, scale=four, offset=four, mean=four, variance=four, is_training=self.draw.random() < 0.5
            )
            mean = ops.BroadcastTo(input=norm.batch_mean, shape=[2, 4])
            self.values.append(ops.Reshape(tensor=ops.Tile(input=mean, multiples=[4, 2]), shape=[8, 8]))
            y = norm.y
        else:
            pool = self.draw.choice((lambda: ops.MaxPool(input=x, ksize=[1, 3, 3, 1], strides=[1, 1, 1, 1], padding="SAME"),
                                     lambda: ops.AvgPool(value=x, ksize=[1, 3, 3, 1], strides=[1, 1, 1, 1], padding="SAME")))  # fmt: skip
            y = pool()
        return [ops.Reshape(tensor=y, shape=[8, 8])]

    def several(self, t):
        """Ops with repeated operands or results, and lists of types."""
        xs = [self.pick(t) for _ in range(self.draw.randrange(2, 4))]
        kind = self.draw.randrange(4)
        if kind == 0:
            return [ops.AddN(inputs=xs)]
        if kind == 1:
            mixed = [*xs, self.pick(tf.float32), self.pick(tf.float16)]
            return list(ops.IdentityN(input=mixed))
        if kind == 2:
            return list(ops.Unpack(value=ops.Pack(values=xs), num=len(xs)))
        return [ops.Slice(input=ops.ConcatV2(values=list(ops.Split(axis=0, value=xs[0], num_split=2)), axis=0), begin=[0, 0], size=[8, 8])]

    def source(self, t):
        kind = self.draw.randrange(3)
        if kind == 0:
            return [ops.Placeholder(dtype=t, shape=[8, 8])]
        if kind == 1:
            return [ops.ReadVariableOp(resource=ops.VarHandleOp(dtype=t, shape=[8, 8]), dtype=t)]
        return [ops.Identity(input=ops.VariableV2(shape=[8, 8], dtype=t))]


def random_graph(seed: int) -> Case:
    def build(x):
        graph = Random(seed, x)
        for _ in range(graph.draw.randrange(8, 60)):
            graph.step()
        last = ops.Identity(input=graph.pick(), name="fetch")
        inside = [v.op.name for v in graph.values[1:] if v.dtype == tf.float32 and graph.draw.random() < 0.05]
        return sorted({last.op.name, *inside})

    return built(build)


def random_graphs(count: int) -> dict[str, Case]:
    return {f"random {seed}": random_graph(seed) for seed in range(count)}

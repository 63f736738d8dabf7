"""Runs TensorFlow's own mixed-precision rewrite on a graph, and says what it decided.

No GPU is needed: grappler plans for a cluster that is only described. But the wheel must be `tensorflow`, whose half kernels for
GPUs are registered; `tensorflow-cpu` has none and converts nothing.
"""

import os
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf  # noqa: E402
from tensorflow.core.framework import types_pb2  # noqa: E402
from tensorflow.core.protobuf import config_pb2, device_properties_pb2, rewriter_config_pb2  # noqa: E402
from tensorflow.python.framework import kernels, op_def_registry  # noqa: E402
from tensorflow.python.grappler import cluster, tf_optimizer  # noqa: E402

CPU = "/job:localhost/replica:0/task:0/device:CPU:0"
FLOAT, HALF = types_pb2.DT_FLOAT, types_pb2.DT_HALF
# Batched matmul is allowed from CUDA 9.1, 3-D convolution from cuDNN 7.6.2, depthwise convolution from cuDNN 8.
ENVIRONMENT = {"architecture": "8.0", "cuda": "12020", "cudnn": "8900"}


def described_cluster() -> cluster.Cluster:
    gpu = device_properties_pb2.NamedDevice(name="/job:localhost/replica:0/task:0/device:GPU:0")
    gpu.properties.type = "GPU"
    for key, value in ENVIRONMENT.items():
        gpu.properties.environment[key] = value
    cpu = device_properties_pb2.NamedDevice(name=CPU)
    cpu.properties.type = "CPU"
    return cluster.Cluster(devices=[gpu, cpu], disable_detailed_stats=True)


def only_mixed_precision() -> config_pb2.ConfigProto:
    config = config_pb2.ConfigProto()
    rewrite = config.graph_options.rewrite_options
    enum = rewriter_config_pb2.RewriterConfig
    for field in rewrite.DESCRIPTOR.fields:
        if field.enum_type is not None and field.enum_type.name == "Toggle":
            setattr(rewrite, field.name, enum.OFF)
    rewrite.auto_mixed_precision = enum.ON
    rewrite.memory_optimization = enum.NO_MEM_OPT
    rewrite.disable_model_pruning = True
    rewrite.meta_optimizer_iterations = enum.ONE
    rewrite.min_graph_nodes = -1  # grappler leaves small graphs alone otherwise
    return config


def rewritten(graph: tf.compat.v1.GraphDef, fetches: list[str]) -> tf.compat.v1.GraphDef:
    meta = tf.compat.v1.MetaGraphDef()
    meta.graph_def.CopyFrom(graph)
    meta.collection_def["train_op"].node_list.value.extend(fetches)
    return tf_optimizer.OptimizeGraph(only_mixed_precision(), meta, cluster=described_cluster())


def type_slots(node) -> dict[str, int]:
    """The node's type attributes as `T`, those that are lists as `T[0]`, `T[1]`."""
    slots = {}
    for key, value in node.attr.items():
        if key.startswith("_"):
            continue
        if value.WhichOneof("value") == "type":
            slots[key] = value.type
        elif value.WhichOneof("value") == "list":
            slots.update({f"{key}[{i}]": t for i, t in enumerate(value.list.type)})
    return slots


def decisions(graph: tf.compat.v1.GraphDef, fetches: list[str]) -> dict:
    """What the rewrite made half, and the casts that it inserted: `tensor -> type`."""
    before = {node.name: node for node in graph.node}
    after = rewritten(graph, fetches)
    half, casts = [], []
    for node in after.node:
        slots = type_slots(node)
        if node.name not in before:
            assert node.op == "Cast" and node.name.endswith("AutoMixedPrecision"), node
            (tensor,) = node.input
            casts.append(f"{tensor} -> {name_of(slots['DstT'])}")
            continue
        old = type_slots(before[node.name])
        for slot, dtype in slots.items():
            # FusedBatchNorm becomes FusedBatchNormV2, which has U as well.
            if old.get(slot, FLOAT) != dtype:
                assert old[slot] == FLOAT and dtype == HALF, (node.name, slot)
                half.append(f"{node.name}:{slot}")
    assert len(after.node) == len(graph.node) + len(casts)
    return {"half": sorted(half), "casts": sorted(casts)}


def name_of(dtype: int) -> str:
    return tf.dtypes.as_dtype(dtype).name


def op_lists() -> dict[str, list[str]]:
    """The four lists as TensorFlow itself prints them beside a rewritten graph, for the cluster described above."""
    graph = tf.Graph()
    with graph.as_default():
        x = tf.raw_ops.Placeholder(dtype=tf.float32, shape=[2, 2])
        tf.raw_ops.Identity(input=tf.raw_ops.MatMul(a=x, b=x), name="fetch")
    variable = "TF_AUTO_MIXED_PRECISION_GRAPH_REWRITE_LOG_PATH"
    with tempfile.TemporaryDirectory() as folder:
        os.environ[variable] = folder
        rewritten(graph.as_graph_def(), ["fetch"])
        del os.environ[variable]
        (text,) = [path.read_text() for path in Path(folder).glob("paintbuckets*.txt")]
    lists: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.endswith("List:"):
            lists[line.removesuffix("List:").lower()] = current = []
        elif line:
            current.append(line)
    return {name: sorted(ops) for name, ops in lists.items()}


def port_counts(op: str) -> set[str]:
    """The attributes that say how many ports an operand or result takes."""
    definition = op_def_registry.get(op)
    return {a.number_attr for a in (*definition.input_arg, *definition.output_arg) if a.number_attr}


def signature(op: str) -> dict:
    """Types of the op's ports, and which of its type attributes may be half.

    A port is `T` (an attribute), `N*T` (N ports of T), `T...` (a list of types), or `=int32` (fixed).
    `half`: the definition allows half; `kernels`: a kernel for GPUs takes half too.
    """
    definition = op_def_registry.get(op)

    def port(arg) -> str:
        if arg.type_list_attr:
            return f"{arg.type_list_attr}..."
        one = arg.type_attr or f"={name_of(arg.type)}"
        return f"{arg.number_attr}*{one}" if arg.number_attr else one

    # DEFAULT is the kernel of any device that has none of its own.
    registered = kernels.get_registered_kernels_for_op(op).kernel
    on_gpu = [kernel for kernel in registered if kernel.device_type in ("GPU", "DEFAULT")]

    def has_kernel(attr: str) -> bool:
        allowed = [
            [list(c.allowed_values.list.type) for c in kernel.constraint if c.name == attr] for kernel in on_gpu
        ]
        return any(not constraints or HALF in constraints[0] for constraints in allowed)

    types = [a for a in definition.attr if a.type in ("type", "list(type)")]
    half = [a.name for a in types if not a.allowed_values.list.type or HALF in a.allowed_values.list.type]
    return {
        "inputs": [port(a) for a in definition.input_arg],
        "outputs": [port(a) for a in definition.output_arg],
        "half": half,
        "kernels": [name for name in half if has_kernel(name)],
    }

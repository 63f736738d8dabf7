"""Writes src/backends/tensorflow/proto/tensorflow_pb.ts: the protobuf messages of TensorFlow that effuse reads or writes.

It takes the definitions of the installed TensorFlow, cuts them to the messages and fields below, and joins them in one file. Needs Python with
tensorflow (or the wheel's *_pb2.py on PYTHONPATH, with protobuf), and npm.

    python3 scripts/tensorflow-proto.py
"""

import importlib

from google.protobuf import descriptor_pb2
from support.proto import add_cut, write_typescript

MODULES = ["framework.function_pb2", "framework.variable_pb2", "protobuf.config_pb2", "protobuf.saved_model_pb2"]
# The fields to keep of each message, and the enumerations to keep.
KEPT = {
    "DataType": [],
    "TensorShapeProto": ["dim", "unknown_rank"],
    "TensorShapeProto.Dim": ["size", "name"],
    "TensorProto": ["dtype", "tensor_shape", "tensor_content", "string_val"],
    "NameAttrList": ["name", "attr"],
    "AttrValue": ["s", "i", "f", "b", "type", "shape", "tensor", "list", "func"],
    "AttrValue.ListValue": ["s", "i", "f", "b", "type", "shape", "tensor", "func"],
    "NodeDef": ["name", "op", "input", "device", "attr"],
    "VersionDef": ["producer", "min_consumer"],
    "OpDef": ["name", "input_arg", "output_arg", "control_output", "is_stateful"],
    "OpDef.ArgDef": ["name", "type", "type_attr", "number_attr", "type_list_attr"],
    "OpList": ["op"],
    "FunctionDef": ["signature", "attr", "arg_attr", "node_def", "ret", "control_ret"],
    "FunctionDef.ArgAttrs": ["attr"],
    "FunctionDefLibrary": ["function"],
    "GraphDef": ["node", "versions", "library"],
    "ConfigProto": [
        "device_count", "intra_op_parallelism_threads", "inter_op_parallelism_threads", "gpu_options", "graph_options",
    ],
    "GPUOptions": ["per_process_gpu_memory_fraction", "allow_growth", "experimental"],
    "GPUOptions.Experimental": ["virtual_devices"],
    "GPUOptions.Experimental.VirtualDevices": ["memory_limit_mb"],
    "GraphOptions": ["rewrite_options"],
    "RewriterConfig": ["constant_folding", "arithmetic_optimization", "meta_optimizer_iterations", "min_graph_nodes"],
    "RewriterConfig.Toggle": [],
    "RewriterConfig.NumIterationsType": [],
    "RunOptions": ["trace_level"],
    "RunOptions.TraceLevel": [],
    "RunMetadata": ["step_stats", "partition_graphs", "function_graphs"],
    "StepStats": ["dev_stats"],
    "DeviceStepStats": ["device", "node_stats"],
    "NodeExecStats": ["node_name", "all_start_micros", "op_end_rel_micros", "op_start_rel_micros", "timeline_label"],
    "RunMetadata.FunctionGraphs": ["partition_graphs", "post_optimization_graph"],
    "SavedModel": ["saved_model_schema_version", "meta_graphs"],
    "MetaGraphDef": ["meta_info_def", "graph_def", "saver_def", "collection_def", "signature_def"],
    "MetaGraphDef.MetaInfoDef": ["meta_graph_version", "tags", "tensorflow_version"],
    "SaverDef": ["filename_tensor_name", "save_tensor_name", "restore_op_name", "max_to_keep", "sharded", "version"],
    "SaverDef.CheckpointFormatVersion": [],
    "CollectionDef": ["bytes_list"],
    "CollectionDef.BytesList": ["value"],
    "VariableDef": ["variable_name", "initializer_name", "snapshot_name", "is_resource", "trainable"],
    "SignatureDef": ["inputs", "outputs", "method_name"],
    "TensorInfo": ["name", "dtype", "tensor_shape"],
}


def files(descriptor, seen):
    """Adds the file and all files that it imports to `seen`, imported ones first."""
    for dependency in descriptor.dependencies:
        files(dependency, seen)
    proto = descriptor_pb2.FileDescriptorProto()
    descriptor.CopyToProto(proto)
    seen[proto.name] = proto


def main():
    seen = {}
    for name in MODULES:
        files(importlib.import_module(f"tensorflow.core.{name}").DESCRIPTOR, seen)
    one = descriptor_pb2.FileDescriptorProto(name="tensorflow.proto", package="tensorflow", syntax="proto3")
    for proto in seen.values():
        if proto.package == "tensorflow":
            add_cut(one, proto, KEPT)
    write_typescript(one, "src/backends/tensorflow/proto/tensorflow_pb.ts")


main()

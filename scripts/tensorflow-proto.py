"""Writes src/backends/tensorflow/proto/tensorflow_pb.ts: those of TensorFlow's protobuf messages that effuse reads or writes.

The definitions come from the installed TensorFlow, cut to the fields below, in one file. Needs Python with tensorflow (or the unpacked wheel
on PYTHONPATH, with protobuf), and npx.

    python3 scripts/tensorflow-proto.py
"""

import importlib
import os
import re
import subprocess
import tempfile

from google.protobuf import descriptor_pb2
from google.protobuf.compiler import plugin_pb2

PLUGIN = "@bufbuild/protoc-gen-es@2.17.0"
MODULES = ["framework.function_pb2", "framework.variable_pb2", "protobuf.config_pb2", "protobuf.saved_model_pb2"]
# Message: its fields. An enumeration is kept whole.
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
    for dependency in descriptor.dependencies:
        files(dependency, seen)
    proto = descriptor_pb2.FileDescriptorProto()
    descriptor.CopyToProto(proto)
    seen[proto.name] = proto


def cut(message, path):
    """The message with the kept fields, nested types and the entries of its maps; None where nothing of it is kept."""
    if path not in KEPT:
        return None
    result = descriptor_pb2.DescriptorProto(name=message.name)
    kept = set(KEPT[path])
    missing = kept - {field.name for field in message.field}
    assert not missing, f"{path} has no field {missing}"
    for field in message.field:
        if field.name in kept:
            field.json_name = re.sub("_(.)", lambda m: m[1].upper(), field.name)
            result.field.append(field)
    result.oneof_decl.extend(message.oneof_decl if any(f.HasField("oneof_index") for f in result.field) else [])
    used = {field.type_name.rsplit(".", 1)[-1] for field in result.field}
    for nested in message.nested_type:
        if nested.options.map_entry:
            if nested.name in used:
                result.nested_type.append(nested)
        elif (smaller := cut(nested, f"{path}.{nested.name}")) is not None:
            result.nested_type.append(smaller)
    for enum in message.enum_type:
        if f"{path}.{enum.name}" in KEPT:
            result.enum_type.append(enum)
    return result


def main():
    seen = {}
    for name in MODULES:
        files(importlib.import_module(f"tensorflow.core.{name}").DESCRIPTOR, seen)
    one = descriptor_pb2.FileDescriptorProto(name="tensorflow.proto", package="tensorflow", syntax="proto3")
    for proto in seen.values():
        if proto.package != "tensorflow":
            continue
        one.message_type.extend(m for message in proto.message_type if (m := cut(message, message.name)) is not None)
        one.enum_type.extend(enum for enum in proto.enum_type if enum.name in KEPT)
    request = plugin_pb2.CodeGeneratorRequest(file_to_generate=[one.name], parameter="target=ts,erasable_syntax=true", proto_file=[one])
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["npm", "install", "--silent", "--prefix", folder, PLUGIN], check=True)
        plugin = os.path.join(folder, "node_modules", ".bin", "protoc-gen-es")
        done = subprocess.run([plugin], input=request.SerializeToString(), stdout=subprocess.PIPE, check=True)
    response = plugin_pb2.CodeGeneratorResponse.FromString(done.stdout)
    assert not response.error, response.error
    target = os.path.join(os.path.dirname(__file__), "..", "src", "backends", "tensorflow", "proto", "tensorflow_pb.ts")
    with open(target, "w", encoding="utf-8") as file:
        file.write(response.file[0].content)


main()

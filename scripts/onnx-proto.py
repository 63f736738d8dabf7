"""Writes src/export/onnx/proto/onnx_pb.ts: those of ONNX's protobuf messages that effuse writes.

The definitions are those of the installed `onnx` package (onnx.proto), cut to the messages and fields below. Needs Python with onnx, and npm.

    pip install onnx && python3 scripts/onnx-proto.py
"""

import os
import re
import subprocess
import tempfile

from google.protobuf import descriptor_pb2
from google.protobuf.compiler import plugin_pb2
from onnx import onnx_ml_pb2

PLUGIN = "@bufbuild/protoc-gen-es@2.17.0"
# Message: its fields. An enumeration is kept whole.
KEPT = {
    "ModelProto": [
        "ir_version", "opset_import", "producer_name", "producer_version", "doc_string", "graph", "metadata_props",
    ],
    "OperatorSetIdProto": ["domain", "version"],
    "StringStringEntryProto": ["key", "value"],
    "GraphProto": ["node", "name", "initializer", "doc_string", "input", "output", "value_info"],
    "NodeProto": ["input", "output", "name", "op_type", "attribute", "doc_string"],
    "AttributeProto": ["name", "type", "f", "i", "s", "t", "floats", "ints"],
    "TensorProto": ["dims", "data_type", "name", "raw_data"],
    "ValueInfoProto": ["name", "type"],
    "TypeProto": ["tensor_type"],
    "TypeProto.Tensor": ["elem_type", "shape"],
    "TensorShapeProto": ["dim"],
    "TensorShapeProto.Dimension": ["dim_value", "dim_param"],
    "AttributeProto.AttributeType": [],
    "TensorProto.DataType": [],
}


def cut(message, path):
    """The message with the kept fields and nested types; None where nothing of it is kept."""
    if path not in KEPT:
        return None
    result = descriptor_pb2.DescriptorProto(name=message.name)
    missing = set(KEPT[path]) - {field.name for field in message.field}
    assert not missing, f"{path} has no field {missing}"
    for field in message.field:
        if field.name in KEPT[path]:
            field.json_name = re.sub("_(.)", lambda m: m[1].upper(), field.name)
            result.field.append(field)
    result.oneof_decl.extend(message.oneof_decl if any(f.HasField("oneof_index") for f in result.field) else [])
    for nested in message.nested_type:
        if (smaller := cut(nested, f"{path}.{nested.name}")) is not None:
            result.nested_type.append(smaller)
    result.enum_type.extend(enum for enum in message.enum_type if f"{path}.{enum.name}" in KEPT)
    return result


def main():
    proto = descriptor_pb2.FileDescriptorProto()
    onnx_ml_pb2.DESCRIPTOR.CopyToProto(proto)
    one = descriptor_pb2.FileDescriptorProto(name="onnx.proto", package=proto.package, syntax=proto.syntax)
    one.message_type.extend(m for message in proto.message_type if (m := cut(message, message.name)) is not None)
    options = "target=ts,erasable_syntax=true"
    request = plugin_pb2.CodeGeneratorRequest(file_to_generate=[one.name], parameter=options, proto_file=[one])
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["npm", "install", "--silent", "--prefix", folder, PLUGIN], check=True)
        plugin = os.path.join(folder, "node_modules", ".bin", "protoc-gen-es")
        done = subprocess.run([plugin], input=request.SerializeToString(), stdout=subprocess.PIPE, check=True)
    response = plugin_pb2.CodeGeneratorResponse.FromString(done.stdout)
    assert not response.error, response.error
    target = os.path.join(os.path.dirname(__file__), "..", "src", "export", "onnx", "proto", "onnx_pb.ts")
    with open(target, "w", encoding="utf-8") as file:
        file.write(response.file[0].content)


main()

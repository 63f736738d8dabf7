"""Writes src/export/onnx/proto/onnx_pb.ts: the protobuf messages of ONNX that effuse writes.

It takes the definitions of the installed package `onnx` (onnx.proto) and cuts them to the messages and fields below. Needs Python with onnx, and npm.

    pip install onnx && python3 scripts/onnx-proto.py
"""

from google.protobuf import descriptor_pb2
from onnx import onnx_ml_pb2
from support.proto import add_cut, write_typescript

# The fields to keep of each message, and the enumerations to keep.
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


def main():
    proto = descriptor_pb2.FileDescriptorProto()
    onnx_ml_pb2.DESCRIPTOR.CopyToProto(proto)
    one = descriptor_pb2.FileDescriptorProto(name="onnx.proto", package=proto.package, syntax=proto.syntax)
    add_cut(one, proto, KEPT)
    write_typescript(one, "src/export/onnx/proto/onnx_pb.ts")


main()

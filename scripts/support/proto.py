"""Generates TypeScript from protobuf definitions that are cut to the messages and fields that effuse uses. Needs protobuf and npm."""

import os
import re
import subprocess
import tempfile

from google.protobuf import descriptor_pb2
from google.protobuf.compiler import plugin_pb2

PLUGIN = "@bufbuild/protoc-gen-es@2.17.0"


def cut(message, path, kept):
    """The message with the kept fields and nested types, and with the entries of its maps. None if `kept` does not name the message.

    `kept` has a list of fields for each message path. Enumerations are kept whole.
    """
    if path not in kept:
        return None
    result = descriptor_pb2.DescriptorProto(name=message.name)
    fields = set(kept[path])
    missing = fields - {field.name for field in message.field}
    assert not missing, f"{path} has no field {missing}"
    for field in message.field:
        if field.name in fields:
            field.json_name = re.sub("_(.)", lambda m: m[1].upper(), field.name)
            result.field.append(field)
    result.oneof_decl.extend(message.oneof_decl if any(f.HasField("oneof_index") for f in result.field) else [])
    used = {field.type_name.rsplit(".", 1)[-1] for field in result.field}
    for nested in message.nested_type:
        if nested.options.map_entry:
            if nested.name in used:
                result.nested_type.append(nested)
        elif (smaller := cut(nested, f"{path}.{nested.name}", kept)) is not None:
            result.nested_type.append(smaller)
    result.enum_type.extend(enum for enum in message.enum_type if f"{path}.{enum.name}" in kept)
    return result


def add_cut(target, proto, kept):
    """Adds the kept messages and enumerations of the file `proto` to the file `target`."""
    target.message_type.extend(m for message in proto.message_type if (m := cut(message, message.name, kept)) is not None)
    target.enum_type.extend(enum for enum in proto.enum_type if enum.name in kept)


def write_typescript(proto, path):
    """Writes the TypeScript for a file descriptor. `path` is relative to the repository."""
    options = "target=ts,erasable_syntax=true"
    request = plugin_pb2.CodeGeneratorRequest(file_to_generate=[proto.name], parameter=options, proto_file=[proto])
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["npm", "install", "--silent", "--prefix", folder, PLUGIN], check=True)
        plugin = os.path.join(folder, "node_modules", ".bin", "protoc-gen-es")
        done = subprocess.run([plugin], input=request.SerializeToString(), stdout=subprocess.PIPE, check=True)
    response = plugin_pb2.CodeGeneratorResponse.FromString(done.stdout)
    assert not response.error, response.error
    with open(os.path.join(os.path.dirname(__file__), "..", "..", path), "w", encoding="utf-8") as file:
        file.write(response.file[0].content)

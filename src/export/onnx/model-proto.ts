/** Encodes the plain data of a graph as the bytes of an ONNX file, with ONNX's own protobuf definitions. */
import { create, toBinary, type MessageInitShape } from '@bufbuild/protobuf'
import { EffuseError } from '../../ir/diagnostics.ts'
import { halfBits } from '../../ir/rounding.ts'
import type { Attribute, ElementType, OnnxGraph, OnnxTensor, OnnxValue } from './onnx-writer.ts'
import { bytesOf } from './onnx-writer.ts'
import {
  AttributeProto_AttributeType as AttributeType,
  type AttributeProtoSchema,
  ModelProtoSchema,
  TensorProto_DataType as DataType,
  type TensorProtoSchema,
  type ValueInfoProtoSchema,
} from './proto/onnx_pb.ts'

/** The version of the ONNX operators. It is from December 2022; ONNX Runtime supports it since 1.14. */
export const onnxOpset = 18
/** The version of the file format that belongs to this opset. */
const irVersion = 8n

/** A protobuf message has at most 2 GiB; some of it is reserved for the nodes. */
const tensorBytesMax = 2 ** 31 - 2 ** 24

export interface ModelFacts {
  readonly description: string
  readonly metadata: { readonly [key: string]: string }
}

/** @throws EffuseError EF501 where the tensors exceed the size of a protobuf message */
export const encodeModel = (graph: OnnxGraph, { description, metadata }: ModelFacts): Uint8Array<ArrayBuffer> => {
  const size = graph.tensors.reduce((sum, tensor) => sum + bytesOf(tensor), 0)
  if (size > tensorBytesMax)
    throw new EffuseError({
      code: 'EF501',
      message: `the weights of ${graph.name} take ${(size / 2 ** 30).toFixed(2)} GiB; an ONNX file, which is one protobuf message, holds 2 GiB`,
      hint: 'export a smaller variant, or its half by mixed precision (amp)',
    })
  const model = create(ModelProtoSchema, {
    irVersion,
    opsetImport: [{ domain: '', version: BigInt(onnxOpset) }],
    producerName: 'effuse',
    docString: description,
    metadataProps: Object.entries(metadata).map(([key, value]) => ({ key, value })),
    graph: {
      name: graph.name,
      node: graph.nodes.map(({ op, name, inputs, outputs, attributes }) => ({
        opType: op,
        name,
        input: [...inputs],
        output: [...outputs],
        attribute: Object.entries(attributes).map(([key, value]) => attributeOf(key, value)),
      })),
      initializer: graph.tensors.map(tensorOf),
      input: graph.inputs.map(valueInfoOf),
      output: graph.outputs.map(valueInfoOf),
      valueInfo: graph.values.map(valueInfoOf),
    },
  })
  return toBinary(ModelProtoSchema, model)
}

const attributeOf = (name: string, value: Attribute): MessageInitShape<typeof AttributeProtoSchema> => {
  if (typeof value === 'number') return { name, type: AttributeType.INT, i: BigInt(value) }
  if (typeof value === 'string') return { name, type: AttributeType.STRING, s: new TextEncoder().encode(value) }
  if ('float' in value) return { name, type: AttributeType.FLOAT, f: value.float }
  return { name, type: AttributeType.INTS, ints: value.map(BigInt) }
}

const dataTypes: { readonly [T in ElementType]: DataType } = {
  float32: DataType.FLOAT,
  float16: DataType.FLOAT16,
  bfloat16: DataType.BFLOAT16,
  int32: DataType.INT32,
  int64: DataType.INT64,
  bool: DataType.BOOL,
}

const valueInfoOf = ({ name, dtype, shape }: OnnxValue): MessageInitShape<typeof ValueInfoProtoSchema> => ({
  name,
  type: {
    value: {
      case: 'tensorType',
      value: {
        elemType: dataTypes[dtype],
        shape: { dim: shape.map((size) => ({ value: { case: 'dimValue' as const, value: BigInt(size) } })) },
      },
    },
  },
})

const tensorOf = (tensor: OnnxTensor): MessageInitShape<typeof TensorProtoSchema> => ({
  name: tensor.name,
  dataType: dataTypes[tensor.dtype],
  dims: tensor.shape.map(BigInt),
  rawData: rawData(tensor),
})

/** Little-endian on every machine. */
const rawData = (tensor: OnnxTensor): Uint8Array => {
  const { dtype, data } = tensor
  const bytes = new Uint8Array(bytesOf(tensor))
  const view = new DataView(bytes.buffer)
  const put: (at: number, x: number) => void = {
    float32: (at: number, x: number) => view.setFloat32(4 * at, x, true),
    float16: (at: number, x: number) => view.setUint16(2 * at, halfBits('float16', x), true),
    bfloat16: (at: number, x: number) => view.setUint16(2 * at, halfBits('bfloat16', x), true),
    int32: (at: number, x: number) => view.setInt32(4 * at, x, true),
    int64: (at: number, x: number) => view.setBigInt64(8 * at, BigInt(x), true),
    bool: (at: number, x: number) => view.setUint8(at, x),
  }[dtype]
  for (let i = 0; i < data.length; i++) put(i, data[i] as number)
  return bytes
}

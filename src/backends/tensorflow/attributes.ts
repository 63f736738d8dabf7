/** Attributes of nodes as protobuf messages (tensorflow/core/framework/attr_value.proto). */
import { create } from '@bufbuild/protobuf'
import { type AttrValue, AttrValueSchema, DataType, TensorShapeProtoSchema } from './proto/tensorflow_pb.ts'
import { dataTypes, type TfDType } from './types.ts'

const bytes = new TextEncoder()

const dataType = (value: DataType): AttrValue => create(AttrValueSchema, { value: { case: 'type', value } })

export const attr = {
  type: (dtype: TfDType): AttrValue => dataType(dataTypes[dtype]),
  /** For element types that only TensorFlow has, such as strings. */
  dataType,
  types: (dtypes: readonly TfDType[]): AttrValue =>
    create(AttrValueSchema, { value: { case: 'list', value: { type: dtypes.map((dtype) => dataTypes[dtype]) } } }),
  bool: (value: boolean): AttrValue => create(AttrValueSchema, { value: { case: 'b', value } }),
  int: (value: number): AttrValue => create(AttrValueSchema, { value: { case: 'i', value: BigInt(value) } }),
  ints: (values: readonly number[]): AttrValue =>
    create(AttrValueSchema, { value: { case: 'list', value: { i: values.map(BigInt) } } }),
  float: (value: number): AttrValue => create(AttrValueSchema, { value: { case: 'f', value } }),
  string: (value: string): AttrValue => create(AttrValueSchema, { value: { case: 's', value: bytes.encode(value) } }),
  bytes: (value: Uint8Array): AttrValue => create(AttrValueSchema, { value: { case: 's', value } }),
  shape: (shape: readonly number[]): AttrValue =>
    create(AttrValueSchema, { value: { case: 'shape', value: shapeProto(shape) } }),
  shapes: (shapes: readonly (readonly number[])[]): AttrValue =>
    create(AttrValueSchema, { value: { case: 'list', value: { shape: shapes.map(shapeProto) } } }),
  func: (name: string): AttrValue => create(AttrValueSchema, { value: { case: 'func', value: { name } } }),
  tensor: (dtype: TfDType, shape: readonly number[], content: Uint8Array): AttrValue =>
    create(AttrValueSchema, {
      value: {
        case: 'tensor',
        value: { dtype: dataTypes[dtype], tensorShape: shapeProto(shape), tensorContent: content },
      },
    }),
  /** A tensor of strings: a list becomes a vector, a single text a scalar. */
  strings: (texts: string | readonly string[]): AttrValue =>
    create(AttrValueSchema, {
      value: {
        case: 'tensor',
        value: {
          dtype: DataType.DT_STRING,
          tensorShape: shapeProto(typeof texts === 'string' ? [] : [texts.length]),
          stringVal: (typeof texts === 'string' ? [texts] : texts).map((text) => bytes.encode(text)),
        },
      },
    }),
} as const

export const shapeProto = (shape: readonly number[]) =>
  create(TensorShapeProtoSchema, { dim: shape.map((size) => ({ size: BigInt(size) })) })

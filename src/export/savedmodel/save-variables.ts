/** Writes values into TensorFlow's variable files (`variables.index`, `variables.data-00000-of-00001`) with TensorFlow's SaveV2. */
import { create } from '@bufbuild/protobuf'
import { attr } from '../../backends/tensorflow/attributes.ts'
import type { Pointer } from '../../backends/tensorflow/c-api.ts'
import { contentOf } from '../../backends/tensorflow/content.ts'
import type { TensorflowContext } from '../../backends/tensorflow/context.ts'
import {
  DataType,
  type FunctionDef,
  FunctionDefSchema,
  type NodeDef,
  NodeDefSchema,
} from '../../backends/tensorflow/proto/tensorflow_pb.ts'
import { dataTypes, type TfType } from '../../backends/tensorflow/types.ts'

export interface SavedValue {
  readonly name: string
  readonly type: TfType
  /** The tensor, or one number for all elements. */
  readonly value: Pointer | number
}

let functionCount = 0

/** @param prefix The path of the files without their endings. Its folder must exist. @throws TensorflowFailure */
export const saveVariables = async (
  context: TensorflowContext,
  prefix: string,
  values: readonly SavedValue[],
): Promise<void> => {
  const name = `effuse_save_${functionCount++}`
  context.addFunction(saveFunction(name, prefix, values))
  try {
    const handles = values.flatMap(({ value }) => (typeof value === 'number' ? [] : [value]))
    for (const handle of await context.call(name, handles, 1)) context.free(handle)
  } finally {
    context.removeFunction(name)
  }
}

/**
 * A function from the tensors to the result `done`. Names of files and variables are constants, since string operands would need TensorFlow's own
 * memory layout.
 */
const saveFunction = (name: string, prefix: string, values: readonly SavedValue[]): FunctionDef => {
  const nodes: NodeDef[] = []
  const add = (node: string, op: string, attr: NodeDef['attr'], input: readonly string[] = []): void => {
    nodes.push(create(NodeDefSchema, { name: node, op, attr, input: [...input] }))
  }
  const string = attr.dataType(DataType.DT_STRING)
  add('prefix', 'Const', { dtype: string, value: attr.strings(prefix) })
  add('names', 'Const', { dtype: string, value: attr.strings(values.map((value) => value.name)) })
  add('slices', 'Const', { dtype: string, value: attr.strings(values.map(() => '')) })
  const argument: { readonly name: string; readonly type: DataType }[] = []
  const inputs = values.map(({ type: { dtype, shape }, value }, i) => {
    if (typeof value === 'number') {
      const size = shape.reduce((product, side) => product * side, 1)
      const content = contentOf(dtype, new Array<number>(size).fill(value))
      add(`v${i}`, 'Const', { dtype: attr.type(dtype), value: attr.tensor(dtype, shape, content) })
      return `v${i}:output:0`
    }
    argument.push({ name: `a${i}`, type: dataTypes[dtype] })
    return `a${i}`
  })
  const dtypes = attr.types(values.map(({ type }) => type.dtype))
  add('save', 'SaveV2', { dtypes }, ['prefix:output:0', 'names:output:0', 'slices:output:0', ...inputs])
  const yes = attr.tensor('bool', [], contentOf('bool', [1]))
  add('done', 'Const', { dtype: attr.type('bool'), value: yes }, ['^save'])
  return create(FunctionDefSchema, {
    signature: {
      name,
      inputArg: argument,
      outputArg: [{ name: 'done', type: DataType.DT_BOOL }],
      controlOutput: ['save'],
      isStateful: true,
    },
    nodeDef: nodes,
    ret: { done: 'done:output:0' },
    controlRet: { save: 'save' },
  })
}

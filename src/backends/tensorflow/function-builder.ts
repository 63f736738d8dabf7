/** Builds a FunctionDef (tensorflow/core/framework/function.proto) node by node. It knows TensorFlow's ops, but not the IR. */
import { create } from '@bufbuild/protobuf'
import { invariant } from '../../ir/diagnostics.ts'
import { elements, sameShape } from '../../ir/types.ts'
import { attr } from './attributes.ts'
import { contentOf } from './content.ts'
import {
  type AttrValue,
  type FunctionDef,
  FunctionDef_ArgAttrsSchema,
  FunctionDefSchema,
  NodeDefSchema,
  OpDef_ArgDefSchema,
} from './proto/tensorflow_pb.ts'
import { type TfOpName, tfOps } from './tf-ops.ts'
import { dataTypes, type TfDType, type TfType, type TfValue } from './types.ts'

const argDef = (name: string, dtype: TfDType) => create(OpDef_ArgDefSchema, { name, type: dataTypes[dtype] })

export type Attrs = { readonly [name: string]: AttrValue }

export class FunctionBuilder {
  readonly name: string
  readonly #def: FunctionDef
  readonly #constants = new Map<string, TfValue>()
  /** The first part of the names of new nodes. It names the node of the IR, so that TensorFlow's messages do, too. */
  #prefix = 'k'
  readonly #counts = new Map<string, number>()

  constructor(name: string) {
    this.name = name
    this.#def = create(FunctionDefSchema, { signature: { name } })
  }

  /** Calls `add`. The names of the nodes that it adds begin with the prefix. */
  named<T>(prefix: string, add: () => T): T {
    const before = this.#prefix
    this.#prefix = prefix
    try {
      return add()
    } finally {
      this.#prefix = before
    }
  }

  /** Adds an operand to the function. */
  argument({ dtype, shape }: TfType): TfValue {
    const at = this.#signature.inputArg.length
    const name = `a${at}`
    this.#signature.inputArg.push(argDef(name, dtype))
    // TensorFlow's graph optimiser fuses only nodes whose shapes it knows.
    this.#def.argAttr[at] = create(FunctionDef_ArgAttrsSchema, { attr: { _output_shapes: attr.shapes([shape]) } })
    return { ref: name, dtype, shape }
  }

  /** Adds a result to the function. */
  result(value: TfValue): void {
    const name = `r${this.#signature.outputArg.length}`
    this.#signature.outputArg.push(argDef(name, value.dtype))
    this.#def.ret[name] = value.ref
  }

  /** Adds a node with one result. */
  op(name: TfOpName, inputs: readonly TfValue[], attrs: Attrs, type: TfType): TfValue {
    return this.ops(name, inputs, attrs, [type])[0] as TfValue // one type, one result
  }

  /** Adds a node and returns its first results, one for each of the types. */
  ops(name: TfOpName, inputs: readonly TfValue[], attrs: Attrs, types: readonly TfType[]): readonly TfValue[] {
    const { results, types: derived } = tfOps[name]
    const count = this.#counts.get(this.#prefix) ?? 0
    this.#counts.set(this.#prefix, count + 1)
    const node = `${this.#prefix}/${count}`
    const typed: { [attribute: string]: AttrValue } = {}
    for (const [attribute, at] of Object.entries(derived)) {
      const operand = inputs[at]
      invariant(operand !== undefined, () => `${name} has no operand ${at}`)
      typed[attribute] = attr.type(operand.dtype)
    }
    this.#def.nodeDef.push(
      create(NodeDefSchema, {
        name: node,
        op: name,
        input: inputs.map(({ ref }) => ref),
        attr: { ...typed, ...attrs },
      }),
    )
    // A reference is node:name:index. If the op has one name for all results, the index counts them; otherwise each name has one result, with index 0.
    return types.map(({ dtype, shape }, i) => ({
      ref: results.length === 1 ? `${node}:${results[0]}:${i}` : `${node}:${results[i]}:0`,
      dtype,
      shape,
    }))
  }

  /** Adds a constant, or returns the node of an equal one. */
  constant(dtype: TfDType, shape: readonly number[], numbers: readonly number[]): TfValue {
    const key = `${dtype} ${shape.join()} ${numbers.map((x) => (Object.is(x, -0) ? '-0' : x)).join()}`
    let known = this.#constants.get(key)
    if (known === undefined) {
      const value = attr.tensor(dtype, shape, contentOf(dtype, numbers))
      known = this.named(`const${this.#constants.size}`, () =>
        this.op('Const', [], { dtype: attr.type(dtype), value }, { dtype, shape }),
      )
      this.#constants.set(key, known)
    }
    return known
  }

  ints(values: readonly number[]): TfValue {
    return this.constant('int32', [values.length], values)
  }

  scalar(dtype: TfDType, value: number): TfValue {
    return this.constant(dtype, [], [value])
  }

  reshape(x: TfValue, shape: readonly number[]): TfValue {
    if (sameShape(x.shape, shape)) return x
    invariant(elements(x.shape) === elements(shape), () => `[${x.shape}] cannot become [${shape}]`)
    return this.op('Reshape', [x, this.ints(shape)], {}, { dtype: x.dtype, shape })
  }

  cast(x: TfValue, dtype: TfDType): TfValue {
    return x.dtype === dtype
      ? x
      : this.op('Cast', [x], { DstT: attr.type(dtype), Truncate: attr.bool(false) }, { dtype, shape: x.shape })
  }

  /** Repeats the operand along axes of size 1. It must have the rank of the result. */
  broadcastTo(x: TfValue, shape: readonly number[]): TfValue {
    return sameShape(x.shape, shape) ? x : this.op('BroadcastTo', [x, this.ints(shape)], {}, { dtype: x.dtype, shape })
  }

  finish(attrs: Attrs = {}): FunctionDef {
    Object.assign(this.#def.attr, attrs)
    return this.#def
  }

  get #signature() {
    const { signature } = this.#def
    invariant(signature !== undefined, () => 'the function has a signature')
    return signature
  }
}

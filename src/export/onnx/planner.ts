/**
 * The shared state of lowerings: the ONNX values of IR values, in one layout or in both. ONNX's convolutions and pooling have channels first
 * ([N,C,H,W]); the IR has channels last. A value is stored in the layout that its op produces, and elementwise ops keep that layout. The other layout
 * is made once, at the first request. So transposes occur only at the boundaries of convolutional parts.
 */
import type { HostArray } from '../../backends/backend.ts'
import { copyStrided } from '../../backends/common/strided-copy.ts'
import { EffuseError } from '../../ir/diagnostics.ts'
import { stridesOf } from '../../ir/ops/shape.ts'
import { type DType, sameShape, type Type } from '../../ir/types.ts'
import type { NodeOptions, OnnxWriter } from './onnx-writer.ts'

/** The position of the channels in a value of rank 4. Other values are always 'last', as in the IR. */
export type Layout = 'last' | 'first'

/** [N,H,W,C] to [N,C,H,W], and the inverse. */
const toFirst = [0, 3, 1, 2] as const
const toLast = [0, 2, 3, 1] as const

/** A value of the IR. */
export interface Held {
  readonly type: Type
  /** The stored shape, in the order of the IR. An axis of size 1 is repeated if the type's axis is larger. */
  readonly shape: readonly number[]
  /** Numbers that are known at export, in the shape `shape`: weights and literals. */
  readonly known: { readonly data: HostArray; readonly name: string } | null
  /** The names of the values in the file, by layout, as far as they have been requested. */
  readonly names: { [L in Layout]?: string }
  /** A contraction that has not been emitted yet, since a bias may follow. It is called at most once. */
  readonly pending?: ((bias: Held | null) => string) | undefined
  /** The layout of the result of `pending`. */
  readonly pendingLayout?: Layout | undefined
}

export class Planner {
  readonly writer: OnnxWriter

  constructor(writer: OnnxWriter) {
    this.writer = writer
  }

  /** A value that a node produces. */
  made(type: Type, name: string, layout: Layout = 'last', shape: readonly number[] = type.shape): Held {
    return { type, shape, known: null, names: { [layout]: name } }
  }

  /** Numbers of `shape`, which are repeated to the type's shape. */
  known(type: Type, data: HostArray, name: string, shape: readonly number[] = type.shape): Held {
    return { type, shape, known: { data, name }, names: {} }
  }

  /** The layout in which to compute: channels first if an operand has only that layout, since convolutions are nearby. */
  layoutOf(operands: readonly Held[]): Layout {
    const isFirst = operands.some((x) => x.known === null && layoutsOf(x).every((layout) => layout === 'first'))
    return isFirst ? 'first' : 'last'
  }

  /** The value as stored, without repetition. */
  stored(x: Held, layout: Layout = 'last'): string {
    if (x.pending !== undefined && Object.keys(x.names).length === 0)
      x.names[x.pendingLayout ?? 'last'] = x.pending(null)
    const known = x.names[layout]
    if (known !== undefined) return known
    const name = x.known === null ? this.#relaid(x, layout) : this.#kept(x.known, x.type.dtype, x.shape, layout)
    x.names[layout] = name
    return name
  }

  /** The value in its full shape. */
  dense(x: Held, layout: Layout = 'last'): string {
    const name = this.stored(x, layout)
    if (sameShape(x.shape, x.type.shape)) return name
    const shape = shapeIn(x.type.shape, layout)
    return this.writer.node1('Expand', [name, this.writer.int64s(shape)], { dtype: x.type.dtype, shape })
  }

  /** The value with permuted axes: axis i of the result is axis permutation[i]. Known numbers are permuted at export. */
  permuted(x: Held, permutation: readonly number[], role: string): string {
    const shape = permutation.map((axis) => x.type.shape[axis] ?? 1)
    if (x.known !== null && sameShape(x.shape, x.type.shape))
      return this.writer.tensor(
        this.#nameFor(x.known.name, role),
        { dtype: x.type.dtype, shape },
        permutedData(x.known.data, x.shape, permutation),
      )
    return this.writer.node1(
      'Transpose',
      [this.dense(x)],
      { dtype: x.type.dtype, shape },
      { attributes: { perm: permutation } },
    )
  }

  /** Are these known numbers along the last axis, for example a bias? */
  isVector(x: Held): boolean {
    const size = x.type.shape.at(-1)
    return x.known !== null && x.shape.at(-1) === size && x.known.data.length === size
  }

  /** Known numbers along the last axis, as a tensor of rank 1; null for other values. */
  vector(x: Held, role: string): string | null {
    if (x.known === null || !this.isVector(x)) return null
    const { data, name } = x.known
    return this.writer.tensor(this.#nameFor(name, role), { dtype: x.type.dtype, shape: [data.length] }, data)
  }

  /** A number as an operand. */
  number(dtype: DType, value: number): string {
    return this.writer.numbers(dtype, [], [value])
  }

  /** Adds a node whose result has the shape of `type`. */
  node(op: string, inputs: readonly string[], type: Type, options: NodeOptions = {}): string {
    return this.writer.node1(op, inputs, type, options)
  }

  /** Runs `emit`. The nodes that it adds have this path of the model. */
  at<T>(path: string, emit: () => T): T {
    const outer = this.writer.path
    this.writer.path = path
    try {
      return emit()
    } finally {
      this.writer.path = outer
    }
  }

  /** The error EF405 for an op at the current path that cannot be exported. */
  unsupported(message: string, hint?: string): EffuseError {
    const { path } = this.writer
    return new EffuseError({ code: 'EF405', path, message: `${path === '' ? '' : `${path}: `}${message}`, hint })
  }

  #relaid(x: Held, layout: Layout): string {
    const from = layout === 'first' ? 'last' : 'first'
    const name = x.names[from] ?? ''
    const shape = shapeIn(x.shape, layout)
    const [, h = 1, w = 1, c = 1] = x.shape
    // With one channel or one pixel, a transpose moves no elements.
    if (c === 1 || h * w === 1) return this.writer.reshape(name, shape)
    const perm = layout === 'first' ? toFirst : toLast
    return this.writer.node1('Transpose', [name], { dtype: x.type.dtype, shape }, { attributes: { perm } })
  }

  #kept(known: NonNullable<Held['known']>, dtype: DType, shape: readonly number[], layout: Layout): string {
    const data = layout === 'first' ? permutedData(known.data, shape, toFirst) : known.data
    if (data.length === 1) return this.writer.numbers(dtype, shape, [data[0] ?? 0])
    return this.writer.tensor(this.#nameFor(known.name, 'operand'), { dtype, shape: shapeIn(shape, layout) }, data)
  }

  /** Derived weights have no name. Their name describes their role in the node. */
  #nameFor(name: string, role: string): string {
    return name === '' ? `${this.writer.path}/${role}` : name
  }
}

const layoutsOf = (x: Held): readonly Layout[] =>
  x.pending !== undefined && Object.keys(x.names).length === 0
    ? [x.pendingLayout ?? 'last']
    : (Object.keys(x.names) as Layout[]) // the keys are layouts

/** A shape of the IR in a layout. */
export const shapeIn = (shape: readonly number[], layout: Layout): readonly number[] =>
  layout === 'first' ? toFirst.map((axis) => shape[axis] ?? 1) : shape

/** An axis of the IR in a layout. */
export const axisIn = (axis: number, layout: Layout): number =>
  layout === 'first' ? toFirst.indexOf(axis as 0 | 1 | 2 | 3) : axis

/** Values per axis in a layout: pads, strides, starts. */
export const perAxisIn = (values: readonly number[], layout: Layout): readonly number[] =>
  layout === 'first' ? toFirst.map((axis) => values[axis] ?? 0) : values

const permutedData = (data: HostArray, shape: readonly number[], permutation: readonly number[]): HostArray => {
  const out = new (data.constructor as new (length: number) => HostArray)(data.length) // an array of the same kind
  const from = stridesOf(shape)
  const result = permutation.map((axis) => shape[axis] ?? 1)
  copyStrided(
    data,
    { at: 0, strides: permutation.map((axis) => from[axis] ?? 0) },
    out,
    { at: 0, strides: stridesOf(result) },
    result,
  )
  return out
}

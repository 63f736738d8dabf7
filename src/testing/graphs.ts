/**
 * Random graphs. A list of small numbers is interpreted as a program: each entry picks an op and earlier values, modulo their count. Every draw is
 * therefore a valid graph, and shrinking removes nodes.
 */
import { type Arbitrary, fc } from './fast-check.ts'
import { Builder } from '../ir/build.ts'
import type { OpEmitter } from '../ir/emitter.ts'
import { print } from '../ir/print.ts'
import { emitRegion } from '../ir/region.ts'
import { elements, isFloat, sameShape, type Graph } from '../ir/types.ts'
import type { Value } from '../ir/value.ts'

/** One step: numbers that pick an op and earlier values. */
export type Step = readonly [op: number, a: number, b: number, c: number]

export interface GraphOptions {
  readonly stepsMax?: number | undefined
  /** Half types and int32 among the values (default true). */
  readonly mixedTypes?: boolean | undefined
  /** Ops with updates and random streams (default true). */
  readonly effects?: boolean | undefined
  /**
   * Numbers at the ends of float32 (subnormal, huge, signed zeros), NaN and infinities that arithmetic makes, and an input `odd` [5,7] (default
   * false: rounding decides such results, so only a pass that preserves bits keeps them).
   */
  readonly specials?: boolean | undefined
}

export interface GraphText {
  readonly graph: Graph
  readonly text: string
}

/** Random well-formed graphs over inputs x [2,3], image [1,4,4,2] and variables, as text, so that counterexamples can be read and replayed. */
export const anyGraph = (options: GraphOptions = {}): Arbitrary<GraphText> =>
  fc
    .array(fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255)), {
      minLength: 1,
      maxLength: options.stepsMax ?? 14,
    })
    .map((steps) => {
      const graph = graphOfSteps(steps, options)
      return { graph, text: print(graph) }
    })

/** Builds the graph of the steps. */
export const graphOfSteps = (steps: readonly Step[], options: GraphOptions = {}): Graph => {
  const b = new Builder('random')
  const values: Value[] = [
    b.input('x', { dtype: 'float32', shape: [2, 3] }),
    b.input('image', { dtype: 'float32', shape: [1, 4, 4, 2] }),
    b.variable('w', { shape: [2, 3] }),
    b.constant(0.5),
  ]
  if (options.specials === true) values.push(b.input('odd', { dtype: 'float32', shape: [5, 7] }))
  const makers = [
    ...pureMakers,
    ...(options.mixedTypes === false ? [] : mixedMakers),
    ...(options.specials === true ? specialMakers : []),
  ]
  for (const [op, a, second, c] of steps) {
    // Half of the draws take one of the last three values, or most of a graph would be dead.
    const pick = (at: number): Value => values[at < 128 ? at % values.length : values.length - 1 - (at % 3)] as Value // there are four from the beginning
    const make = makers[op % makers.length]
    const made = make?.(b, pick(a), pick(second), c) ?? []
    values.push(...made)
  }
  const last = values.at(-1) as Value
  const outputs: { [name: string]: Value } = { y: last }
  const other = values[(steps[0]?.[3] ?? 0) % values.length]
  if (other !== undefined && other !== last) outputs['other result'] = other
  if (options.effects !== false) updateOne(b, values)
  return b.finish(outputs)
}

type Maker = (b: Builder, x: Value, y: Value, c: number) => readonly Value[]

const onFloat =
  (make: (b: Builder, x: Value, y: Value, c: number) => Value): Maker =>
  (b, x, y, c) =>
    isFloat(x.dtype) ? [make(b, x, y, c)] : []
const unaries = [
  'neg',
  'abs',
  'tanh',
  'sigmoid',
  'relu',
  'relu6',
  'silu',
  'exp',
  'erf',
  'sign',
  'floor',
  'sqrt',
] as const
const binaries = ['add', 'sub', 'mul', 'maximum', 'minimum'] as const
/** The other operand if it fits, otherwise x itself. */
const fitting = (x: Value, y: Value): Value => (x.dtype === y.dtype && sameShape(x.shape, y.shape) ? y : x)

/** Bodies of composites with two operands. The last one contains a composite. */
const bodies: readonly ((x: Value, y: Value, b: OpEmitter) => Value)[] = [
  (x, y, b) => b.add(x, b.unary('relu6', y)),
  (x, y, b) => b.mul(b.unary('neg', b.unary('neg', x)), b.add(y, 0)),
  (x, y, b) => b.sub(x, x === y ? x : b.unary('tanh', y)),
  (x, y, b) => b.mul(x, composed(b, 0, y, x)),
]
const composed = (b: OpEmitter, which: number, x: Value, y: Value): Value => {
  const attrs = { name: `body${which}`, amp: 'infer', tolerance: 'composite' } as const
  const [made] = emitRegion(b, 'composite', [x, y], attrs, ([p, q], inner) => {
    const make = bodies[which % bodies.length]
    return p === undefined || q === undefined || make === undefined ? [] : [make(p, q, inner)]
  })
  return made ?? x
}

const pureMakers: readonly Maker[] = [
  onFloat((b, x, _y, c) => b.unary(unaries[c % unaries.length] ?? 'neg', x)),
  onFloat((b, x, y, c) => b.binary(binaries[c % binaries.length] ?? 'add', x, fitting(x, y))),
  onFloat((b, x, _y, c) => b.binary(binaries[c % binaries.length] ?? 'add', x, [0, -0, 1, 2, -1, 0.25][c % 6] ?? 0)),
  onFloat((b, x, y) => b.select(b.compare('lt', x, fitting(x, y)), x, fitting(x, y))),
  (b, x) => [b.reshape(x, [elements(x.shape)])],
  (b, x) => [
    b.transpose(
      x,
      x.shape.map((_, axis) => x.shape.length - 1 - axis),
    ),
  ],
  (b, x, _y, c) => [b.broadcast(x, [1 + (c % 3), ...x.shape])],
  (b, x) => [
    b.reverse(
      x,
      x.shape.map((_, axis) => axis),
    ),
  ],
  (b, x, y) => (x.shape.length === 0 ? [] : [b.concatenate([x, fitting(x, y)], 0)]),
  (b, x, _y, c) =>
    x.shape.length === 0
      ? []
      : [
          b.slice(
            x,
            x.shape.map(() => 0),
            x.shape.map((size) => Math.max(1, size - (c % 2))),
          ),
        ],
  onFloat((b, x, _y, c) =>
    x.shape.length === 0
      ? x
      : b.pad(
          x,
          x.shape.map(() => c % 2),
          x.shape.map(() => 1),
          [0, -0, Infinity, 1.5][c % 4],
        ),
  ),
  onFloat((b, x, _y, c) => (x.shape.length === 0 ? x : b.reduceSum(x, [c % x.shape.length], c % 2 === 0))),
  onFloat((b, x, _y, c) => (x.shape.length === 0 ? x : b.mean(x, [c % x.shape.length], c % 2 === 0))),
  onFloat((b, x) => (x.shape.length === 0 ? x : b.softmax(x))),
  onFloat((b, x) => (x.shape.length === 2 ? b.matmul(x, x, { transposeB: true }) : x)),
  onFloat((b, x, _y, c) =>
    x.shape.length === 4 && x.dtype === 'float32'
      ? b.conv2d(x, b.variable(`kernel${x.shape[3]}`, { shape: [3, 3, x.shape[3] ?? 1, 2], dtype: 'float32' }), {
          strides: 1 + (c % 2),
        })
      : x,
  ),
  (b, x) => (isFloat(x.dtype) && x.shape.length > 0 ? b.emit('topK', [x], { k: 1 }) : []),
  onFloat((b, x, y, c) => composed(b, c % bodies.length, x, fitting(x, y))),
  (b) => [
    b.constant(
      Float32Array.from({ length: 20 }, (_, i) => i / 4),
      { dtype: 'float32', shape: [20] },
    ),
  ],
]

const half: Maker = (b, x, _y, c) => [b.cast(x, (['float16', 'bfloat16'] as const)[c % 2] ?? 'float16', c % 3 === 0)]
const mixedMakers: readonly Maker[] = [
  (b, x, _y, c) => [b.cast(x, (['float16', 'bfloat16', 'float32', 'int32'] as const)[c % 4] ?? 'float32', c % 2 === 0)],
  half,
  half,
  (b, x, y) => (x.dtype === 'bool' ? [] : [b.compare('ge', x, fitting(x, y))]),
  (b, x) => [b.scope(`layer(${x.id})`, () => b.iota([3, 2], 1, 'int32'))],
]

/** A factor at an end of float32, and NaN and infinities made by arithmetic. */
const specialMakers: readonly Maker[] = [
  onFloat((b, x, _y, c) => b.mul(x, [2 ** 120, -(2 ** 110), -0][c % 3] ?? 1)),
  onFloat((b, x, _y, c) => b.add(x, [2 ** 127, -(2 ** 125)][c % 2] ?? 1)),
  onFloat((b, x, _y, c) => b.mul(b.unary('tanh', x), [2 ** -130, 2 ** -140][c % 2] ?? 1)),
  onFloat((b, x, _y, c) => b.mul(b.unary('sign', x), [2 ** -149, -(2 ** -127)][c % 2] ?? 1)),
  onFloat((b, x) => b.sub(b.mul(b.mul(x, 2 ** 100), 2 ** 100), b.mul(b.mul(x, 2 ** 100), 2 ** 100))), // infinity less itself
  onFloat((b, x) => b.div(b.mul(x, 0), b.mul(x, 0))),
  onFloat((b, x) => b.unary('sqrt', b.sub(b.unary('neg', b.unary('abs', x)), 1))),
  onFloat((b, x) => b.div(1, b.mul(x, 0))),
]

/** Updates a variable by a value of its type, if there is one. */
const updateOne = (b: Builder, values: readonly Value[]): void => {
  const variable = values[2]
  const value = values.findLast((v) => v !== variable && v.dtype === 'float32' && sameShape(v.shape, [2, 3]))
  if (variable !== undefined && value !== undefined) b.update(variable, value)
}

/** Feeds and variables of moderate size for a graph, from a seed. */
export const feedsFor = (
  graph: Graph,
  seed: number,
): {
  readonly inputs: { readonly [name: string]: Float64Array }
  readonly variables: ReadonlyMap<string, Float64Array>
} => {
  const inputs: { [name: string]: Float64Array } = {}
  const variables = new Map<string, Float64Array>()
  for (const node of graph.nodes) {
    if (node?.op !== 'input' && node?.op !== 'variable') continue
    const [type] = node.types
    if (type === undefined) continue
    const data = Float64Array.from(
      { length: elements(type.shape) },
      (_, i) => Math.round(Math.sin(seed * 13.7 + i * 2.3 + node.id) * 192) / 64,
    )
    if (node.op === 'input') inputs[node.attrs.name] = data
    else variables.set(node.attrs.name, data)
  }
  return { inputs, variables }
}

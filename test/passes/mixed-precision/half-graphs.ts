/**
 * Random graphs with many decisions for mixed precision: contractions and their gradients, statistics, epilogues, joins, literals that half types
 * cannot represent, existing casts and half values, composites, updates. All images are [1,4,4,2].
 */
import fc from 'fast-check'
import { Builder } from '../../../src/ir/build.ts'
import { print } from '../../../src/ir/print.ts'
import { emitRegion } from '../../../src/ir/region.ts'
import type { Graph, Type } from '../../../src/ir/types.ts'
import type { Value } from '../../../src/ir/value.ts'

type Step = readonly [op: number, a: number, b: number, c: number]

const shape = [1, 4, 4, 2]
const axes = [0, 1, 2]
const image: Type = { dtype: 'float32', shape }

/** Counterexamples print as text. */
export interface HalfGraph {
  readonly graph: Graph
  readonly text: string
}

export const anyHalfGraph = (stepsMax = 16): fc.Arbitrary<HalfGraph> =>
  fc
    .array(fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255)), { minLength: 2, maxLength: stepsMax })
    .map((steps) => {
      const graph = graphOf(steps)
      return { graph, text: print(graph) }
    })

const graphOf = (steps: readonly Step[]): Graph => {
  const b = new Builder('halves')
  const values: Value[] = [b.input('x', image)]
  const state = new Map<string, Value>()
  const maker: Maker = { b, values, state, updated: new Set() }
  steps.forEach(([op, x, y, c], i) => {
    const pick = (at: number): Value => values[at % values.length] as Value // it is never empty
    b.scope(`layer${i}`, () => {
      const made = makers[op % makers.length]?.(maker, pick(x), pick(y), c)
      if (made !== undefined) values.push(made)
    })
  })
  const outputs: { [name: string]: Value } = { y: values.at(-1) as Value }
  for (const [at, , , c] of steps.slice(0, 2)) outputs[`out${c}`] = values[at % values.length] as Value // it is never empty
  return b.finish(outputs)
}

interface Maker {
  readonly b: Builder
  readonly values: readonly Value[]
  readonly state: Map<string, Value>
  readonly updated: Set<Value>
}
type Make = (m: Maker, x: Value, y: Value, c: number) => Value | undefined

const variable = ({ b, state }: Maker, name: string, of: readonly number[]): Value => {
  const known = state.get(name)
  if (known !== undefined) return known
  const made = b.scopeAt('', () => b.variable(name, { shape: of }))
  state.set(name, made)
  return made
}
const kernel = (m: Maker, c: number): Value => variable(m, `kernel${c % 3}`, [1, 1, 2, 2])
const vector = (m: Maker, c: number): Value => variable(m, `vector${c % 3}`, [2])
const update = (m: Maker, to: Value, value: Value): void => {
  if (m.updated.has(to) || value.dtype !== 'float32') return
  m.updated.add(to)
  m.b.update(to, value)
}
/** An image has float32 or a half type. The other operand is cast to it. */
const like = ({ b }: Maker, x: Value, y: Value): Value => b.cast(y, x.dtype)
const wide = ({ b }: Maker, x: Value): Value => b.cast(x, 'float32')
const conv = { strides: [1, 1], padding: 'same', dilations: [1, 1] } as const

const makers: readonly Make[] = [
  (m, x, _y, c) => m.b.conv2d(x, like(m, x, kernel(m, c))),
  (m, x, _y, c) => m.b.conv2d(x, like(m, x, m.b.mul(kernel(m, c), 2))),
  (m, x, _y, c) => m.b.depthwiseConv2d(x, like(m, x, variable(m, `depthwise${c % 2}`, [3, 3, 2, 1]))),
  (m, x, _y, c) =>
    m.b.emit1('conv2dInputGradient', [x, like(m, x, kernel(m, c))], { ...conv, resultDtype: null, inputShape: shape }),
  // A filter gradient, and a gradient step with it.
  (m, x, y, c) => {
    const k = kernel(m, c)
    const attrs = { ...conv, resultDtype: c % 5 === 0 ? ('float32' as const) : null, filterShape: [1, 1, 2, 2] }
    const g = m.b.emit1('conv2dFilterGradient', [x, like(m, x, y)], attrs)
    update(m, k, m.b.sub(k, m.b.mul(wide(m, g), 0.01)))
    return undefined
  },
  (m, x, _y, c) => {
    const rows = m.b.reshape(x, [16, 2])
    return m.b.reshape(m.b.matmul(rows, like(m, x, m.b.reshape(kernel(m, c), [2, 2]))), shape)
  },
  (m, x, _y, c) => m.b.add(x, like(m, x, vector(m, c))),
  (m, x, y, c) => m.b.binary((['add', 'mul', 'sub', 'maximum'] as const)[c % 4] ?? 'add', x, like(m, x, y)),
  (m, x, _y, c) => m.b.unary((['relu', 'silu', 'sigmoid', 'tanh', 'neg', 'exp'] as const)[c % 6] ?? 'relu', x),
  (m, x, _y, c) => m.b.mul(x, [2, 0.1, 1e-9, 70_000, 65_504, -0, 1e30, 3.4e38][c % 8] ?? 1),
  (m, x, _y, c) => m.b.mul(x, m.b.literal({ dtype: x.dtype, shape: [2] }, Float32Array.of(1, [3, 1e6][c % 2] ?? 1))),
  (m, x) => m.b.softmax(x),
  (m, x, y) => m.b.mul(x, like(m, x, m.b.mean(y, axes, true))),
  (m, x, _y, c) => {
    const sum = m.b.reduceSum(x, axes)
    update(m, vector(m, c), m.b.sub(vector(m, c), m.b.mul(wide(m, sum), 0.5)))
    return undefined
  },
  (m, x, _y, c) =>
    m.b.emit1('batchNormInference', [x, vector(m, c), vector(m, c + 1), vector(m, c), variable(m, 'ones', [2])], {
      epsilon: 1e-3,
    }),
  (m, x, _y, c) => {
    const [y, mean] = m.b.emit('batchNormTraining', [x, vector(m, c), vector(m, c + 1)], { epsilon: 1e-3 })
    if (mean !== undefined) update(m, vector(m, c + 2), m.b.add(m.b.mul(vector(m, c + 2), 0.9), m.b.mul(mean, 0.1)))
    return y
  },
  (m, x, y) => m.b.select(m.b.compare('lt', x, like(m, x, y)), x, like(m, x, y)),
  (m, x, y, c) =>
    m.b.select(
      c % 2 === 0 ? m.b.compare('gt', x, [0, 1e6][(c >> 1) % 2] ?? 0) : m.b.unary('isFinite', x),
      x,
      like(m, x, y),
    ),
  (m, x, _y, c) => m.b.slice(m.b.pad(x, [0, 1, 0, 0], [0, 0, 0, 0], [0, 1e6, -Infinity][c % 3]), [0, 0, 0, 0], shape),
  (m, x, y, c) => m.b.slice(m.b.concatenate([x, like(m, x, y)], 3), [0, 0, 0, c % 3], [1, 4, 4, (c % 3) + 2]),
  (m, x, _y, c) =>
    m.b.emit1('cast', [x], {
      to: (['float16', 'float32', 'bfloat16', 'float16', 'float32'] as const)[c % 5] ?? 'float16',
      relaxed: c % 2 === 0,
    }),
  (m, x, y, c) => {
    const amp = (['infer', 'wide', 'allow', 'deny', 'clear'] as const)[c % 5] ?? 'infer'
    const attrs = { name: 'scaled', amp, tolerance: 'composite' } as const
    const [scaled] = emitRegion(m.b, 'composite', [x, like(m, x, y)], attrs, ([u, v], b) => {
      const [p, q] = [u as Value, v as Value] // as many as operands
      return [b.add(b.exp(b.mul(p, 0.25)), b.conv2d(q, b.splat(0.5, { dtype: q.dtype, shape: [1, 1, 2, 2] })))]
    })
    return scaled as Value
  },
]

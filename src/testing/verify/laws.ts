/**
 * Metamorphic laws: equations between two ways to compute a result, both on the backend. They find faults that reference and backend share, and
 * faults that depend on sizes and positions.
 */
import type { Backend } from '../../backends/backend.ts'
import { resultsOf, through } from '../../backends/conformance.ts'
import { roundingsOf } from '../../backends/roundings.ts'
import { epsilon, growth } from '../../backends/tolerance.ts'
import { distance } from '../../backends/worst-element.ts'
import { Builder } from '../../ir/build.ts'
import { interpret } from '../../ir/interpret.ts'
import { isOpName } from '../../ir/ops/index.ts'
import { formats } from '../../ir/rounding.ts'
import type { OpAttrs } from '../../ir/signatures.ts'
import type { Value } from '../../ir/value.ts'
import { opCases, type CaseOp } from '../cases/index.ts'
import { type Arbitrary, fc } from '../fast-check.ts'
import { feedsOfCase, type OpCase } from '../op-case.ts'
import { trialOf, type Trial } from '../trial.ts'
import type { Judged } from './judge.ts'

export interface Law {
  readonly name: string
  /** One graph with the outputs `left` and `right`. */
  readonly arbitrary: Arbitrary<Trial>
  /** Whether both sides must be equal bit for bit; otherwise within the tolerance of both. */
  readonly isExact: boolean
}

/** A law: both sides for a case and a random number; null if the law does not apply. */
interface Rule {
  readonly name: string
  readonly ops: readonly CaseOp[]
  readonly isExact: boolean
  readonly sides: (of: Sides) => readonly [left: Value, right: Value] | null
}
interface Sides {
  readonly b: Builder
  readonly c: OpCase
  readonly operands: readonly Value[]
  readonly drawn: number
  /** Applies the op to other operands, and optionally with other attributes. */
  readonly apply: (operands: readonly Value[], attrs?: object) => Value
}

const contractions = [
  'matmul',
  'conv2d',
  'conv2dInputGradient',
  'conv2dFilterGradient',
  'depthwiseConv2d',
  'depthwiseConv2dInputGradient',
  'depthwiseConv2dFilterGradient',
] as const
const linear = [...contractions, 'reduceSum', 'mean', 'avgPool2d', 'avgPool2dGradient'] as const
/** Ops that compute each example of a batch independently. */
const perExample = [
  'conv2d',
  'conv2dInputGradient',
  'depthwiseConv2d',
  'depthwiseConv2dInputGradient',
  'maxPool2d',
  'avgPool2d',
] as const

const rules: readonly Rule[] = [
  {
    name: 'f(2^k x) = 2^k f(x)',
    ops: linear,
    isExact: true,
    sides: ({ b, operands: [x, ...rest], drawn, apply }) => {
      const power = 2 ** ((drawn % 17) - 8)
      return x === undefined ? null : [apply([b.mul(x, power), ...rest]), b.mul(apply([x, ...rest]), power)]
    },
  },
  {
    name: 'f(x + z) = f(x) + f(z)',
    ops: linear,
    isExact: false,
    sides: ({ b, operands: [x, ...rest], apply }) => {
      if (x === undefined) return null
      const z = reversed(
        b,
        x,
        x.shape.map((_, axis) => axis),
      )
      return [apply([b.add(x, z), ...rest]), b.add(apply([x, ...rest]), apply([z, ...rest]))]
    },
  },
  {
    name: 'the order of a batch does not matter',
    ops: perExample,
    isExact: false,
    sides: ({ b, operands: [x, ...rest], c, apply }) =>
      x === undefined || rest.some(({ shape }) => shape.length === 4 && c.op === 'maxPool2d')
        ? null
        : [apply([reversed(b, x, [0]), ...rest]), reversed(b, apply([x, ...rest]), [0])],
  },
  {
    name: 'a batch in two parts',
    ops: perExample,
    isExact: false,
    sides: ({ b, operands: [x, ...rest], c, apply }) => {
      if (x === undefined) return null
      const z = reversed(b, x, [1, 2])
      const inputShape =
        'inputShape' in c.attrs ? [2 * (c.attrs.inputShape[0] ?? 1), ...c.attrs.inputShape.slice(1)] : null
      const both = apply(
        [b.concatenate([x, z], 0), ...rest],
        inputShape === null ? c.attrs : { ...c.attrs, inputShape },
      )
      return [both, b.concatenate([apply([x, ...rest]), apply([z, ...rest])], 0)]
    },
  },
  {
    name: 'a sum in two parts',
    ops: ['matmul', 'reduceSum'],
    isExact: false,
    sides: ({ b, operands, c, apply }) => {
      const axes = summedAxes(c)
      if (axes === null || axes.length !== operands.length) return null
      const others = operands.map((x) => reversed(b, x, [x.shape.length - 1]))
      const wide = operands.map((x, i) => b.concatenate([x, others[i] as Value], axes[i] as number)) // one for each operand
      return [apply(wide), b.add(apply(operands), apply(others))]
    },
  },
  {
    name: 'padding before it or in it',
    ops: ['conv2d', 'depthwiseConv2d'],
    isExact: false,
    sides: ({ b, operands: [x, kernel], c, apply }) => {
      const { padding } = c.attrs as OpAttrs<'conv2d'> // the ops above have them
      if (typeof padding === 'string' || x === undefined || kernel === undefined) return null
      const [[top, bottom], [left, right]] = padding
      const padded = b.pad(x, [0, top, left, 0], [0, bottom, right, 0], 0)
      return [apply([x, kernel]), apply([padded, kernel], { ...c.attrs, padding: 'valid' })]
    },
  },
]

/** The axis of each operand that a result sums over; null if there is not exactly one. */
const summedAxes = (c: OpCase): readonly number[] | null => {
  const ranks = c.inputs.map(({ type }) => type.shape.length)
  if (c.op === 'matmul') {
    const { transposeA, transposeB } = c.attrs as OpAttrs<'matmul'> // by its name
    return [(ranks[0] ?? 2) - (transposeA ? 2 : 1), (ranks[1] ?? 2) - (transposeB ? 1 : 2)]
  }
  const { axes } = c.attrs as OpAttrs<'reduceSum'> // the only other op of this rule
  return axes[0] === undefined ? null : [axes[0]]
}

const reversed = (b: Builder, x: Value, axes: readonly number[]): Value => b.reverse(x, axes)

/** The laws of an op, in float32 only, because half types round intermediate results. */
export const lawsOf = (op: string): readonly Law[] =>
  rules
    .filter(({ ops }) => ops.some((name) => name === op))
    .map(({ name, isExact, sides }) => ({
      name: `${op}: ${name}`,
      isExact,
      arbitrary: fc
        .tuple(isOpName(op) ? (opCases[op as CaseOp] as Arbitrary<OpCase>) : fc.constant(null), fc.nat(99)) // rules name case ops
        .map(([c, drawn]) => (c === null ? null : lawTrial(c, drawn, sides)))
        .filter((trial) => trial !== null),
    }))

const lawTrial = (c: OpCase, drawn: number, sides: Rule['sides']): Trial | null => {
  if (c.inputs.some(({ type, data }) => type.dtype !== 'float32' || data.length === 0)) return null
  const b = new Builder('law')
  const operands = c.inputs.map(({ type }, i) => b.input(`x${i}`, type))
  const apply: Sides['apply'] = (given, attrs = c.attrs) => b.emit(c.op, given, attrs as typeof c.attrs)[0] as Value // attributes of the op; one result
  const both = sides({ b, c, operands, drawn, apply })
  return both === null ? null : trialOf(c.op, b.finish({ left: both[0], right: both[1] }), feedsOfCase(c))
}

/** Runs both sides on the backend. */
export const judgeLaw = async (backend: Backend, trial: Trial, isExact: boolean): Promise<Judged> => {
  const [graph] = trial.graphs
  const inputs = trial.rounds[0]?.inputs ?? {}
  if (graph === undefined) return { isAccepted: true, error: 0, tolerance: 0, ratio: 0 }
  const program = through(backend, [...backend.legalize, ...backend.fuse], graph)
  const got = await resultsOf(backend, program, { inputs, variables: {} })
  const [left, right] = [got.get('left') ?? [], got.get('right') ?? []]
  const magnitudes = interpret(graph, {
    inputs: Object.fromEntries(Object.entries(inputs).map(([name, data]) => [name, Array.from(data, Math.abs)])),
    mode: 'float64',
  }).outputs
  // Each side may differ from the true value by the rounding errors of its own terms.
  const { outputs: roundings } = roundingsOf(graph)
  const bounds = (['left', 'right'] as const).map((side) => ({
    relative: (epsilon.float32 / 2) * growth(roundings.get(side) ?? 0),
    magnitudes: magnitudes[side]?.data,
  }))
  let worst: Judged = { isAccepted: left.length === right.length, error: 0, tolerance: 0, ratio: 0 }
  Array.from(left).forEach((l, i) => {
    const r = right[i] ?? Number.NaN
    const sides = bounds.map((of) => ({ relative: of.relative, magnitude: of.magnitudes?.[i] ?? 0 }))
    // If the terms can overflow, the sides may overflow at different operations.
    const isJudged = sides.every(({ magnitude }) => magnitude <= formats.float32.max)
    const error = isJudged ? distance(l, r) : 0
    const tolerance = isExact ? 0 : sides.reduce((sum, { relative, magnitude }) => sum + relative * magnitude, 0)
    const ratio = error === 0 ? 0 : error / tolerance
    if (ratio > worst.ratio) worst = { isAccepted: worst.isAccepted && ratio <= 1, error, tolerance, ratio }
  })
  return worst
}

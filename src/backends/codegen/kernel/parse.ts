/** Parses the text of a kernel (print.ts). */
import { elementwiseOps } from '../../../ir/ops/elementwise/index.ts'
import type { OpAttrs } from '../../../ir/signatures.ts'
import type { DType } from '../../../ir/types.ts'
import type { Accumulator, Coordinate, Expr, Kernel, KernelBuffer, Linear, Monoid, Phase, ScalarOp } from './kernel.ts'
import { KernelLine } from './kernel-line.ts'
import { usualType } from './print.ts'

/** Parses a kernel: parseKernel(printKernel(k)) equals k. @throws EffuseError EF201 with the line and what was expected */
export const parseKernel = (text: string): Kernel => {
  const buffers: KernelBuffer[] = []
  const phases: OpenPhase[] = []
  for (const [i, line] of text.split('\n').entries()) {
    if (/^\s*(\/\/.*)?$/.test(line)) continue
    const at = new KernelLine(line, i + 1)
    const phase = phases.at(-1)
    if (at.takes('phase')) phases.push(phaseHead(at))
    else if (phase === undefined) buffers.push(bufferOf(at, buffers.length))
    else if (at.takes('%')) addExpr(at, phase, buffers)
    else addStore(at, phase, buffers)
    at.end()
  }
  return { buffers, phases }
}

interface OpenPhase extends Phase {
  readonly exprs: Expr[]
  readonly accumulators: Accumulator[]
  readonly stores: Phase['stores'][number][]
}

const roles = ['operand', 'result', 'temporary', 'literal'] as const
const monoids: readonly Monoid[] = ['sum', 'product', 'max', 'min', 'and', 'or', 'argmax']
const dtypes: readonly DType[] = ['float32', 'float16', 'bfloat16', 'int32', 'bool']

const bufferOf = (at: KernelLine, number: number): KernelBuffer => {
  at.need(`b${number}`)
  const role = at.oneOf(roles)
  const dtype = at.oneOf(dtypes)
  const shape = at.list('[', ']', () => at.integer())
  const data = at.takes('=') ? at.list('[', ']', () => at.number()) : null
  return { dtype, shape, role, data }
}

const phaseHead = (at: KernelLine): OpenPhase => {
  at.need('[')
  const sizes = (): number[] => {
    const list: number[] = []
    while (at.isAtDigit()) {
      list.push(at.integer())
      at.takes(',')
    }
    return list
  }
  const parallel = sizes()
  const reduced = at.takes('|') ? sizes() : []
  at.need(']')
  return { axes: [...parallel, ...reduced], parallel: parallel.length, exprs: [], accumulators: [], stores: [] }
}

const addExpr = (at: KernelLine, phase: OpenPhase, buffers: readonly KernelBuffer[]): void => {
  at.need(`${phase.exprs.length}`)
  const dtype = at.takes(':') ? at.oneOf(dtypes) : null
  at.need('=')
  const expr = exprOf(at, phase, buffers)
  const typed = { ...expr, dtype: dtype ?? usualType(expr, phase) } as Expr // indices and flags have one dtype, which is the default
  phase.exprs.push(typed)
  if (typed.kind !== 'accumulated') return
  const accumulator = phase.accumulators[typed.accumulator] as Accumulator // added together with the expression
  phase.accumulators[typed.accumulator] = { ...accumulator, dtype: typed.dtype }
}

/** The caller sets the dtype of ops and of accumulated values. */
const exprOf = (at: KernelLine, phase: OpenPhase, buffers: readonly KernelBuffer[]): Expr => {
  if (at.isAt(/^b\d/)) {
    const { buffer, coordinates } = elementOf(at, buffers)
    const fill = at.takes('else') ? at.number() : 0
    return { kind: 'load', buffer, coordinates, fill, dtype: (buffers[buffer] as KernelBuffer).dtype } // the buffer was looked up above
  }
  if (at.takes('inside'))
    return { kind: 'inside', coordinates: at.list('(', ')', () => coordinateOf(at, undefined)), dtype: 'bool' }
  if (at.takes('random')) {
    at.need('(')
    const stream = at.text()
    at.need(',')
    const index = linearOf(at)
    at.need(')')
    return { kind: 'random', stream, index, dtype: 'float32' }
  }
  const dtype = dtypes.find((name) => at.takes(name))
  if (dtype !== undefined) return { kind: 'constant', value: at.number(), dtype }
  const monoid = monoids.find((name) => at.takesBoth(name, 'over'))
  if (monoid !== undefined) return accumulatedOf(at, monoid, phase)
  const op = at.word(Object.keys(elementwiseOps)) as ScalarOp | null
  return op === null ? { kind: 'index', of: linearOf(at), dtype: 'int32' } : opOf(at, op)
}

const opOf = (at: KernelLine, op: ScalarOp): Expr => {
  at.need('(')
  const args: number[] = []
  while (at.takes('%')) {
    args.push(at.integer())
    at.takes(',')
  }
  const attrs: { [name: string]: unknown } = {}
  while (!at.takes(')')) {
    const name = at.name()
    at.need('=')
    attrs[name] = at.value()
  }
  return { kind: 'op', op, attrs: attrs as OpAttrs<ScalarOp>, args, dtype: 'float32' }
}

const accumulatedOf = (at: KernelLine, monoid: Monoid, { accumulators }: OpenPhase): Expr => {
  const axes: number[] = []
  if (!at.takes('nothing'))
    do {
      at.need('a')
      axes.push(at.integer())
    } while (at.takes(','))
  at.need('of')
  const factors = [at.expr()]
  while (at.takes('*')) factors.push(at.expr())
  const guard = at.takes('where') ? at.expr() : null
  accumulators.push({ monoid, axes, factors, guard, dtype: 'float32' })
  return { kind: 'accumulated', accumulator: accumulators.length - 1, dtype: 'float32' }
}

const addStore = (at: KernelLine, { stores }: OpenPhase, buffers: readonly KernelBuffer[]): void => {
  const { buffer, coordinates } = elementOf(at, buffers)
  at.need('=')
  stores.push({ buffer, coordinates, value: at.expr() })
}

const elementOf = (at: KernelLine, buffers: readonly KernelBuffer[]) => {
  at.need('b')
  const buffer = at.integer()
  const shape = buffers[buffer]?.shape
  if (shape === undefined) return at.fail(`one of ${buffers.length} buffers`)
  let dimension = 0
  const coordinates = at.list('[', ']', () => coordinateOf(at, shape[dimension++]))
  return { buffer, coordinates }
}

const coordinateOf = (at: KernelLine, usual: number | undefined): Coordinate => {
  const position: Coordinate['at'] = at.takes('%') ? { kind: 'computed', expr: at.integer() } : linearOf(at)
  const size = at.takes('in') ? at.integer() : usual
  return size === undefined ? at.fail('"in" and a size') : { at: position, size }
}

const linearOf = (at: KernelLine): Linear => {
  const isQuotient = at.takes('(')
  const terms: Linear['terms'][number][] = []
  let offset = 0
  let sign = 1
  do {
    // A minus between two terms is a sign. A minus before a number belongs to the number.
    const factor = at.isAt(/^a\d/) ? 1 : at.number()
    if (at.takes('*') || at.isAt(/^a\d/)) {
      at.need('a')
      terms.push({ axis: at.integer(), stride: sign * factor })
    } else offset += sign * factor
    sign = at.takes('+') ? 1 : at.takes('-') ? -1 : 0
  } while (sign !== 0)
  if (isQuotient) at.need(')')
  const divisor = isQuotient && at.takes('/') ? at.integer() : 1
  return { kind: 'linear', offset, terms, divisor }
}

/** Interprets the loops of phases statement by statement. It is slow. It defines the meaning of loops. */
import { invariant } from '../../../ir/diagnostics.ts'
import type { DType } from '../../../ir/types.ts'
import type { KernelBuffer } from '../kernel/kernel.ts'
import type { RandomNumbers } from '../kernel/interpret.ts'
import { applyScalar, type Scalar } from '../kernel/scalar.ts'
import { type IndexOp, type LoopExpr, type LoopNest, type Register, scratch, type Statement } from './loops.ts'

/** Updates `memory`, which holds the elements of each buffer. `range`: the first unit to compute, and the end. */
export const interpretLoops = (
  { scratchSize, loopCount, registers, body }: LoopNest,
  buffers: readonly KernelBuffer[],
  memory: readonly Float64Array[],
  random: RandomNumbers,
  range: readonly [first: number, end: number],
  parameters: readonly number[] = [],
): void => {
  const counters = new Array<number>(loopCount).fill(0)
  const values = new Array<readonly number[]>(registers.length).fill([])
  const scratchMemory = new Float64Array(scratchSize).fill(Number.NaN)
  const bufferAt = (buffer: number, at: number, lanes: number): Float64Array => {
    const found = buffer === scratch ? scratchMemory : memory[buffer]
    invariant(
      found !== undefined && at >= 0 && at + lanes <= found.length,
      () => `element ${at} of buffer ${buffer} does not exist`,
    )
    return found
  }
  const evaluate = (expr: LoopExpr): Value => {
    switch (expr.kind) {
      case 'constant':
        return { numbers: [expr.value], dtype: expr.dtype }
      case 'affine':
        return number(
          expr.terms.reduce((sum, { loop, stride }) => sum + stride * (counters[loop] as number), expr.offset),
        )
      case 'parameter':
        invariant(expr.number < parameters.length, () => `parameter ${expr.number} does not exist`)
        return number(parameters[expr.number] as number)
      case 'unit':
        return number(range[expr.of === 'first' ? 0 : 1])
      case 'register':
        return {
          numbers: values[expr.register] as readonly number[],
          dtype: (registers[expr.register] as Register).dtype,
        }
      case 'load': {
        const at = one(evaluate(expr.at))
        const numbers = [...bufferAt(expr.buffer, at, expr.lanes).subarray(at, at + expr.lanes)]
        return { numbers, dtype: expr.buffer === scratch ? 'float32' : (buffers[expr.buffer] as KernelBuffer).dtype }
      }
      case 'splat': {
        const { numbers, dtype } = evaluate(expr.of)
        return { numbers: new Array<number>(4).fill(numbers[0] as number), dtype }
      }
      case 'lanes': {
        const all = expr.of.map(evaluate)
        return { numbers: all.map(one), dtype: (all[0] as Value).dtype } // a vector has four lanes
      }
      case 'op': {
        const args = expr.args.map(evaluate)
        const odd = args.find(({ numbers }) => numbers.length !== expr.lanes)
        invariant(odd === undefined, () => `${expr.op} of ${expr.lanes} lanes: an argument has ${odd?.numbers.length}`)
        const numbers = Array.from({ length: expr.lanes }, (_, lane) =>
          applyScalar(
            expr,
            args.map((arg): Scalar => ({ value: arg.numbers[lane] as number, dtype: arg.dtype })),
          ),
        )
        return { numbers, dtype: expr.dtype }
      }
      case 'position': {
        const [a, b] = expr.args
        return positions[expr.op](one(evaluate(a)), one(evaluate(b)))
      }
      case 'random': {
        const at = one(evaluate(expr.at))
        const numbers = Array.from({ length: expr.lanes }, (_, lane) => random(expr.stream, at + lane))
        return { numbers, dtype: 'float32' }
      }
    }
  }
  const run = (statements: readonly Statement[]): void => {
    for (const statement of statements) {
      switch (statement.kind) {
        case 'for': {
          const [first, end] = [one(evaluate(statement.first)), one(evaluate(statement.end))]
          for (let i = first; i < end; i++) {
            counters[statement.loop] = i
            run(statement.body)
          }
          break
        }
        case 'if':
          run(one(evaluate(statement.condition)) !== 0 ? statement.body : statement.otherwise)
          break
        case 'set':
          values[statement.register] = evaluate(statement.value).numbers
          break
        case 'store': {
          const at = one(evaluate(statement.at))
          const { numbers } = evaluate(statement.value)
          invariant(
            numbers.length === statement.lanes,
            () => `a store of ${statement.lanes} lanes: the value has ${numbers.length}`,
          )
          bufferAt(statement.buffer, at, statement.lanes).set(numbers, at)
        }
      }
    }
  }
  run(body)
}

interface Value {
  readonly numbers: readonly number[]
  readonly dtype: DType
}

const one = ({ numbers }: Value): number => {
  invariant(numbers.length === 1, () => `expected one number, got ${numbers.length}`)
  return numbers[0] as number
}

const number = (value: number): Value => ({ numbers: [value], dtype: 'int32' })
const flag = (value: boolean): Value => ({ numbers: [value ? 1 : 0], dtype: 'bool' })

const positions: { readonly [O in IndexOp]: (a: number, b: number) => Value } = {
  add: (a, b) => number(a + b),
  mul: (a, b) => number(a * b),
  div: (a, b) => number(Math.trunc(a / b)),
  rem: (a, b) => number(a % b),
  min: (a, b) => number(Math.min(a, b)),
  max: (a, b) => number(Math.max(a, b)),
  lt: (a, b) => flag(a < b),
  eq: (a, b) => flag(a === b),
  and: (a, b) => flag(a !== 0 && b !== 0),
}

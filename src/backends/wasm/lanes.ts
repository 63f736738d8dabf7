/** Implements scalar ops by vector ops, and vector ops by scalar ops. */
import type { FunctionBody } from './encoder.ts'
import { popped, type StackOp } from './stack-op.ts'

type Lane = 'f32' | 'i32'
const shapes = { f32: 'f32x4', i32: 'i32x4' } as const

/** A scalar op that computes on a vector and takes its first lane. So scalars and vectors give the same bits. */
export const throughVectors =
  (op: StackOp, from: Lane = 'f32', to: Lane = from): StackOp =>
  (f) => {
    f.op(`${shapes[from]}.splat`)
    op(f)
    f.lane(`${shapes[to]}.extract_lane`, 0)
  }

/** A vector op that applies a scalar op to each of its four lanes. */
export const perLane =
  (op: StackOp, type: Lane, arity: number): StackOp =>
  (f: FunctionBody) => {
    const operands = popped(f, 'v128', 'lanes', arity)
    for (let lane = 0; lane < 4; lane++) {
      for (const operand of operands) {
        f.get(operand)
        f.lane(`${shapes[type]}.extract_lane`, lane)
      }
      op(f)
      if (lane === 0) f.op(`${shapes[type]}.splat`)
      else f.lane(`${shapes[type]}.replace_lane`, lane)
    }
  }

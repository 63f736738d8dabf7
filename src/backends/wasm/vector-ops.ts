/** Ops on vectors of four float32 numbers. */
import type { LoopExpr } from '../codegen/loops/loops.ts'
import type { VectorOp } from '../codegen/loops/schedule.ts'
import type { FunctionBody, Instruction } from './encoder.ts'
import { emitExp } from './exp.ts'

type Push = (arg: LoopExpr) => void
type Emit = (args: readonly LoopExpr[], f: FunctionBody, push: Push) => void

const plain =
  (name: Instruction): Emit =>
  (args, f, push) => {
    for (const arg of args) push(arg)
    f.op(name)
  }

/** The operand, then with each of these constants an instruction. */
const withConstants =
  (...steps: readonly (readonly [number, Instruction])[]): Emit =>
  ([x], f, push) => {
    push(x as LoopExpr) // a unary op
    for (const [value, name] of steps) {
      f.f32x4(value)
      f.op(name)
    }
  }

const inverse =
  (...names: readonly Instruction[]): Emit =>
  ([x], f, push) => {
    f.f32x4(1)
    push(x as LoopExpr) // a unary op
    f.op(...names, 'f32x4.div')
  }

const exp: Emit = ([x], f, push) => {
  push(x as LoopExpr) // a unary op
  emitExp(f)
}

/** 1 / (1 + exp(-x)). */
const sigmoid: Emit = ([x], f, push) => {
  f.f32x4(1)
  f.f32x4(1)
  push(x as LoopExpr) // a unary op
  f.op('f32x4.neg')
  emitExp(f)
  f.op('f32x4.add', 'f32x4.div')
}

/** For the ops that schedules may put into vectors (schedule.ts: vectorOps). */
export const vectorOpTable: { readonly [K in VectorOp]: Emit } = {
  neg: plain('f32x4.neg'),
  abs: plain('f32x4.abs'),
  floor: plain('f32x4.floor'),
  ceil: plain('f32x4.ceil'),
  round: plain('f32x4.nearest'),
  exp,
  sigmoid,
  sqrt: plain('f32x4.sqrt'),
  rsqrt: inverse('f32x4.sqrt'),
  reciprocal: inverse(),
  relu: withConstants([0, 'f32x4.max']),
  relu6: withConstants([0, 'f32x4.max'], [6, 'f32x4.min']),
  add: plain('f32x4.add'),
  sub: plain('f32x4.sub'),
  mul: plain('f32x4.mul'),
  div: plain('f32x4.div'),
  maximum: plain('f32x4.max'),
  minimum: plain('f32x4.min'),
}

/** Activations that are exponential for negative arguments, on float32 vectors. */
import { popOne, type StackOp } from '../stack-op.ts'
import { expm1 } from './exp.ts'

/** scale * x where x > 0, scale * alpha * (exp(x) - 1) elsewhere. */
const scaledElu =
  (scale: number, alpha: number): StackOp =>
  (f) => {
    const x = popOne(f, 'v128', 'elu x')
    f.get(x)
    if (scale !== 1) {
      f.f32x4(scale)
      f.op('f32x4.mul')
    }
    f.get(x)
    expm1(f)
    if (scale * alpha !== 1) {
      f.f32x4(scale * alpha)
      f.op('f32x4.mul')
    }
    f.get(x)
    f.f32x4(0)
    f.op('f32x4.gt', 'v128.bitselect')
  }

export const elu: StackOp = scaledElu(1, 1)

/** Klambauer et al. 2017, with the constants of the op's definition. */
export const selu: StackOp = scaledElu(1.0507009873554805, 1.6732632423543772)

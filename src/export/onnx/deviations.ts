/**
 * Where runtimes are known to deviate from the ops' constraints, each with its reason. Tests on ONNX Runtime's CPU provider require everything else.
 */
import type { OpName } from '../../ir/signatures.ts'

export interface OnnxDeviation {
  readonly ops: readonly OpName[] | 'all'
  readonly when: string
  readonly instead: string
  readonly reason: string
}

/** The deviations of ONNX Runtime 1.30 on the CPU. */
export const onnxDeviations: readonly OnnxDeviation[] = [
  {
    ops: ['maxPool2d', 'reduceMax', 'reduceMin', 'argMax', 'topK'],
    when: 'the elements contain NaN',
    instead: 'NaN may be lost: the result may be that of the other elements',
    reason:
      'ONNX does not define comparisons with NaN; nodes around each op would define them, but they would make the file slower',
  },
  {
    ops: ['maxPool2d'],
    when: 'all elements of a window are -infinity',
    instead: 'the result is the smallest finite number',
    reason: 'ONNX Runtime starts the maximum at this number',
  },
  {
    ops: ['sigmoid', 'silu'],
    when: 'the operand is negative',
    instead:
      'the error of the sigmoid is at most 1.5e-7, however small the sigmoid is; silu multiplies this error by its operand',
    reason: "ONNX Runtime's CPU kernel approximates the sigmoid by a rational function",
  },
  {
    ops: 'all',
    when: 'values are float16',
    instead:
      'a chain of ops rounds to float16 only at its end; an intermediate value that overflows float16 stays finite',
    reason: 'the CPU has no float16 arithmetic, and ONNX Runtime removes the casts between neighbours',
  },
  {
    ops: 'all',
    when: 'values are bfloat16',
    instead: 'the file is not loaded',
    reason: "ONNX Runtime's CPU provider has bfloat16 kernels for few ops; its GPU providers have more",
  },
]

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
    when: 'there is NaN among the elements',
    instead: 'NaN may be lost: the result is that of the other elements',
    reason:
      'ONNX does not say how NaN compares; nodes around each op would say it, and make the file slower for all numbers',
  },
  {
    ops: ['maxPool2d'],
    when: 'a window has nothing but -infinity',
    instead: 'the result is the least finite number',
    reason: 'ONNX Runtime starts there',
  },
  {
    ops: 'all',
    when: 'values are float16',
    instead: 'a chain of ops rounds to float16 at its end only; a value that overflows float16 within it stays finite',
    reason: 'the CPU has no float16 arithmetic, and ONNX Runtime removes the casts between neighbours',
  },
  {
    ops: 'all',
    when: 'values are bfloat16',
    instead: 'the file is not loaded',
    reason: "ONNX Runtime's CPU has kernels in bfloat16 for few ops; others, for GPUs, have more",
  },
]

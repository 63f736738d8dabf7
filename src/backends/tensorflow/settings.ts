/** Chooses TensorFlow's settings from the options of compile(), with the reasons. */
import type { CompileContext } from '../backend.ts'
import { nodesOf } from '../../ir/graph.ts'
import type { OpName } from '../../ir/signatures.ts'
import { graphsOf, type Program } from '../../passes/program.ts'
import type { Mode } from './modes.ts'

export interface Settings {
  readonly isXla: boolean
  readonly mode: Mode
  readonly notes: readonly string[]
}

type Asked = Pick<CompileContext, 'xla' | 'precision' | 'deterministic'>

export const settingsFor = (
  { xla = 'auto', precision = 'float32', deterministic = true }: Asked,
  isCpu: boolean,
  program: Program,
): Settings => {
  const pinned = deterministic ? hasOp(program, 'maxPool2dGradient') : false
  const isXla = xla === 'always' || (xla === 'auto' && !isCpu && !pinned)
  return {
    isXla,
    // Code of XLA for CPUs is deterministic without the flag, and with the flag XLA refuses some ops.
    mode: { tf32: precision === 'tf32', deterministic: deterministic && !(isXla && isCpu) },
    notes: [xlaNote(xla, isCpu, pinned), precisionNote(precision, isCpu), determinismNote(deterministic, isCpu)],
  }
}

const hasOp = (program: Program, op: OpName): boolean =>
  graphsOf(program).some((graph) => nodesOf(graph).some((node) => node.op === op))

const xlaNote = (xla: NonNullable<Asked['xla']>, isCpu: boolean, isPinned: boolean): string => {
  if (xla === 'always') return "XLA compiles each graph, because of xla: { tensorflow: 'always' }"
  if (xla === 'never')
    return "XLA compiles nothing, because the option xla switches it off; TensorFlow's own kernels run"
  if (isPinned && !isCpu)
    return 'XLA compiles nothing, because it has no deterministic gradient of max pools; deterministic: false lets it compile'
  return isCpu
    ? "XLA compiles nothing, because on CPUs TensorFlow's own kernels (oneDNN) are faster; xla: { tensorflow: 'always' } switches it on"
    : "XLA compiles each graph, which is the default on GPUs; xla: { tensorflow: 'never' } switches it off"
}

const precisionNote = (precision: NonNullable<Asked['precision']>, isCpu: boolean): string =>
  precision === 'float32'
    ? `precision: products in full float32${isCpu ? '' : "; TF32, TensorFlow's own default on GPUs, is off; precision: 'tf32' switches it on"}`
    : isCpu
      ? "precision: 'tf32' changes nothing on CPUs, which have no TF32"
      : "precision: the GPU may round the operands of float32 products to 10 bits (precision: 'tf32')"

const determinismNote = (deterministic: boolean, isCpu: boolean): string =>
  deterministic
    ? `deterministic: equal runs give equal bits${isCpu ? '' : '; deterministic: false lets the GPU use faster kernels'}`
    : 'deterministic: false, so equal runs may differ in the last bits'

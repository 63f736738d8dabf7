/** From the options of compile() to what TensorFlow is told, and why. */
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
    // What XLA compiles for CPUs is deterministic, and with the flag it refuses ops.
    mode: { tf32: precision === 'tf32', deterministic: deterministic && !(isXla && isCpu) },
    notes: [xlaNote(xla, isCpu, pinned), precisionNote(precision, isCpu), determinismNote(deterministic, isCpu)],
  }
}

const hasOp = (program: Program, op: OpName): boolean =>
  graphsOf(program).some((graph) => nodesOf(graph).some((node) => node.op === op))

const xlaNote = (xla: NonNullable<Asked['xla']>, isCpu: boolean, isPinned: boolean): string => {
  if (xla === 'always') return "XLA compiles each graph: asked for by xla: { tensorflow: 'always' }"
  if (xla === 'never') return "XLA compiles nothing: switched off by the option xla; TensorFlow's own kernels run"
  if (isPinned && !isCpu)
    return 'XLA compiles nothing: it has no deterministic gradient of max pools; deterministic: false lets it compile'
  return isCpu
    ? "XLA compiles nothing: on CPUs TensorFlow's own kernels, which are oneDNN's, are faster; xla: { tensorflow: 'always' } asks for it"
    : "XLA compiles each graph: the default on GPUs; xla: { tensorflow: 'never' } switches it off"
}

const precisionNote = (precision: NonNullable<Asked['precision']>, isCpu: boolean): string =>
  precision === 'float32'
    ? `precision: float32 products in full${isCpu ? '' : "; TF32, TensorFlow's own default on GPUs, is off (precision: 'tf32')"}`
    : isCpu
      ? "precision: 'tf32' changes nothing on CPUs, which have no TF32"
      : "precision: the GPU may round the operands of float32 products to 10 bits (precision: 'tf32')"

const determinismNote = (deterministic: boolean, isCpu: boolean): string =>
  deterministic
    ? `deterministic: equal runs give equal bits${isCpu ? '' : '; deterministic: false frees the GPU to take faster kernels'}`
    : 'deterministic: false, so equal runs may differ in the last bits'

/** Errors for ops that a pass replaces before a backend gets its program, in a graph that this pass has not processed. compile() runs all passes. */
import { EffuseError } from '../../ir/diagnostics.ts'
import { opDef } from '../../ir/ops/index.ts'
import type { OpName } from '../../ir/signatures.ts'
import { type Node, showType } from '../../ir/types.ts'

/** Why a backend cannot run the op, and what to do. */
export const missingPass = (op: OpName): { readonly reason: string; readonly hint: string } =>
  opDef(op).level === 'model'
    ? {
        reason: `${op} is a model-form op, which the pass to-inference or to-training must replace`,
        hint: 'compile the model by compile(), or run one of these passes first',
      }
    : {
        reason: `the pass decompose must replace ${op}, and did not run`,
        hint: "run the backend's passes `legalize` before it compiles the program",
      }

export const notReplaced = ({ op, path, types }: Node, backend: string): EffuseError => {
  const { reason, hint } = missingPass(op)
  const what = `${op} ${types.map(showType).join(', ')}`
  return new EffuseError({
    code: 'EF405',
    path,
    message: `${path === '' ? '' : `${path}: `}the backend ${backend} cannot run ${what}: ${reason}`,
    hint,
  })
}

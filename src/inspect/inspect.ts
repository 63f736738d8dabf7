/** Reports what the passes did to a model, in figures. */
import type { AmpFigures } from '../executable/amp.ts'
import type { Executable } from '../executable/executable.ts'
import { costOf } from '../ir/cost.ts'
import type { Model } from '../ir/model.ts'
import { nodesOf, variablesOf } from '../ir/graph.ts'
import { elements } from '../ir/types.ts'
import { precisionReport, type PrecisionReport } from './precision.ts'
import type { Checked } from '../passes/check-meaning.ts'
import { stepOptionsOf } from '../passes/train/declaration.ts'

export interface InspectReport {
  readonly model: string
  readonly backend: string
  readonly train: boolean
  readonly passes: readonly {
    readonly name: string
    readonly plan: string
    readonly ms: number
    readonly nodesBefore: number
    readonly nodesAfter: number
    readonly changed: boolean
    /** How `verify: true` checked the pass: whole, by structure, or not, and why. */
    readonly checked: Checked
    readonly report: { readonly [what: string]: number }
  }[]
  /** Null without mixed precision. */
  readonly amp: (AmpFigures & PrecisionReport) | null
  readonly kernels: number
  readonly peakBytes: number | null
  /** Elements of the trainable variables, and of all. */
  readonly parameters: number
  readonly variables: number
  /** Multiply-adds of one run of the model as declared. */
  readonly multiplyAdds: number
}

/**
 * Reports what each pass did, and the program's figures: kernels, bytes, parameters, multiply-adds.
 *
 * @param batch The size at which `executable` was compiled.
 * @example
 * const { passes, kernels, peakBytes } = inspectReport(model, net, 1)
 */
export const inspectReport = (model: Model, executable: Executable, batch: number): InspectReport => {
  const declared = model.at({ batch })
  const sizes = variablesOf(declared).map((n) => ({
    trainable: n.attrs.trainable,
    size: elements(n.types[0]?.shape ?? []),
  }))
  return {
    model: model.name,
    backend: executable.backend,
    train: stepOptionsOf(model) !== null,
    passes: executable.passes.map((r) => ({
      name: r.name,
      plan: r.plan,
      ms: round(r.ms),
      nodesBefore: nodesOf(r.before).length,
      nodesAfter: nodesOf(r.after).length,
      changed: r.changed,
      checked: r.checked,
      report: r.report,
    })),
    amp: ampPart(executable),
    kernels: executable.plan.kernels,
    peakBytes: executable.plan.peakBytes,
    parameters: sizes.reduce((sum, v) => sum + (v.trainable ? v.size : 0), 0),
    variables: sizes.reduce((sum, v) => sum + v.size, 0),
    multiplyAdds: costOf(declared).multiplyAdds,
  }
}

const ampPart = (executable: Executable): InspectReport['amp'] => {
  const layers = precisionReport(executable)
  return executable.amp === null ? null : { ...executable.amp, ...(layers ?? { layers: [], castsAt: [] }) }
}

const round = (ms: number): number => Math.round(ms * 100) / 100

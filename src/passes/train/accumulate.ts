/**
 * Gradient accumulation: the step `run` becomes two that share variables. `micro` takes a micro-batch, adds its gradients to
 * `accumulate/<variable>` and counts it in `accumulate/count`; `apply` takes the mean. Later passes add their work on gradients to `apply`,
 * so it runs once per update. `accumulate/finite` tells whether all micro-batches were finite. A micro-batch that is not finite affects only
 * its own update, because `apply` assigns zeros to the accumulators instead of multiplying by them.
 */
import { EffuseError } from '../../ir/diagnostics.ts'
import { Edit } from '../../ir/edit.ts'
import { nodeAt } from '../../ir/graph.ts'
import type { Graph, Node, Output, Ref, Update } from '../../ir/types.ts'
import type { Value } from '../../ir/value.ts'
import { gradientPrefix } from '../autodiff/differentiate.ts'
import { definePass, type ProgramPass } from '../pass.ts'
import { findGraph, graphStep, mainStep, replaceStep } from '../program.ts'
import { pruned } from '../prune.ts'
import { gradientsIn, outputOf } from './gradient-outputs.ts'
import { scalarState } from './state.ts'

export const accumulateNames = {
  prefix: 'accumulate/',
  count: 'accumulate/count',
  finite: 'accumulate/finite',
} as const

/** @param steps Micro-batches for each update, at least 2. */
export const accumulate = (steps: number): ProgramPass =>
  definePass({
    name: 'accumulate',
    summary: 'gradients of several micro-batches for each update',
    phase: 'grad',
    preserves: 'mode',
    options: { steps },
    runProgram: (program, cx) => {
      const run = findGraph(program, mainStep)
      if (run === undefined) return program
      checkNames(run)
      cx.report('accumulators', gradientsIn(run).length)
      return replaceStep(program, mainStep, [
        graphStep(microStep, microGraph(run)),
        graphStep(applyStep, applyGraph(run, steps), {
          kind: 'counter',
          variable: accumulateNames.count,
          value: steps,
        }),
      ])
    },
  })

/** Takes a micro-batch; runs each time. */
export const microStep = 'micro'
/** Makes the update; runs when the count has reached the number of micro-batches. */
export const applyStep = 'apply'

const checkNames = (graph: Graph): void => {
  const clash = gradientsIn(graph).find(({ variable }) =>
    [accumulateNames.count, accumulateNames.finite].some((name) => name === accumulatorName(variable)),
  )
  if (clash !== undefined)
    throw new EffuseError({
      code: 'EF107',
      path: clash.variable.path,
      message: `the gradients of the variable "${clash.variable.attrs.name}" would be summed in "${accumulatorName(clash.variable)}", a name that the accumulation reserves`,
      hint: 'give the variable another name',
    })
}

const accumulatorName = ({ attrs }: Node<'variable'>): string => `${accumulateNames.prefix}${attrs.name}`

interface State {
  readonly count: Value
  readonly finite: Value
  readonly accumulatorOf: (variable: Node<'variable'>) => Value
}

/** The variables, in both steps. */
const stateIn = (edit: Edit): State => {
  const from = nodeAt(edit.base, outputOf(edit.base, 'finite').id)
  const b = edit.emitter(from, 'accumulate')
  return {
    count: scalarState(edit, b, accumulateNames.count, 'int32', 0),
    finite: scalarState(edit, b, accumulateNames.finite, 'bool', 1),
    accumulatorOf: (variable) =>
      edit
        .emitter(variable, `accumulate(${variable.attrs.name})`)
        .emit1('variable', [], { name: accumulatorName(variable), trainable: false, init: { kind: 'zeros' } }, [
          { dtype: 'float32', shape: edit.typeOf({ id: variable.id, port: 0 }).shape },
        ]),
  }
}

const microGraph = (run: Graph): Graph => {
  const edit = new Edit(run, 'accumulate')
  const { count, finite, accumulatorOf } = stateIn(edit)
  const b = finite.builder
  const sums = gradientsIn(run).map(({ variable, gradient }): Update => {
    const sum = accumulatorOf(variable)
    const at = sum.builder
    return { variable: sum.id, value: at.add(sum, at.cast(edit.value(gradient, at), 'float32')) }
  })
  const own = edit.value(outputOf(run, 'finite'), b)
  edit.setUpdates([
    ...run.updates,
    ...sums,
    { variable: count.id, value: b.add(count, 1) },
    { variable: finite.id, value: b.emit1('and', [finite, own], {}) },
  ])
  edit.setOutputs([
    ...run.outputs.filter(({ name }) => !name.startsWith(gradientPrefix)),
    { name: 'updated', value: b.splat(0, { dtype: 'bool', shape: [] }) },
  ])
  return pruned(edit.commit(), `${run.name}.${microStep}`)
}

/** Outputs of both steps: the state that does not change between updates. */
const sharedOutputs: readonly string[] = ['learningRate', 'lossScale']

const applyGraph = (run: Graph, steps: number): Graph => {
  const edit = new Edit(run, 'accumulate')
  const { count, finite, accumulatorOf } = stateIn(edit)
  const b = finite.builder
  const gradients: Output[] = []
  const resets: Update[] = []
  const trained: Update[] = []
  for (const { variable } of gradientsIn(run)) {
    const sum = accumulatorOf(variable)
    gradients.push({ name: `${gradientPrefix}${variable.attrs.name}`, value: sum.builder.div(sum, steps) })
    resets.push({ variable: sum.id, value: sum.builder.like(sum, 0) })
    // No node here reads the weights yet. This adds them to the step, for later passes and for the text form.
    trained.push({ variable: variable.id, value: refOf(variable) })
  }
  edit.setInputs([])
  // The sum of finite gradients may be infinite.
  const means =
    gradients.length === 0
      ? finite
      : b.emit1(
          'allFinite',
          gradients.map(({ value }) => value),
          {},
        )
  edit.setOutputs([
    ...run.outputs.filter(({ name }) => sharedOutputs.includes(name)),
    ...gradients,
    { name: 'finite', value: b.emit1('and', [finite, means], {}) },
  ])
  edit.setUpdates([
    ...trained,
    ...resets,
    { variable: count.id, value: b.like(count, 0) },
    { variable: finite.id, value: b.like(finite, 1) },
  ])
  return pruned(edit.commit(), `${run.name}.${applyStep}`)
}

const refOf = ({ id }: Node): Ref => ({ id, port: 0 })

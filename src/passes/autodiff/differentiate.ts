/**
 * The pass that adds gradients of the output `loss` with respect to every trainable variable, as outputs `gradient/<variable>`.
 * The passes after it turn these outputs into updates; an optimizer's result replaces them.
 */
import { EffuseError } from '../../ir/diagnostics.ts'
import { Edit } from '../../ir/edit.ts'
import { globFilter } from '../../ir/glob.ts'
import { liveOrder, variablesOf } from '../../ir/graph.ts'
import type { Graph } from '../../ir/types.ts'
import { definePass, type GraphPass } from '../pass.ts'
import { type GradientTarget, reverse } from './reverse.ts'

export interface DifferentiateOptions {
  /** Name of the scalar output; default 'loss'. */
  readonly loss?: string | undefined
  /** Globs of variables that are not trained. */
  readonly frozen?: readonly string[] | undefined
}

/** Prefix of the names of gradient outputs. */
export const gradientPrefix = 'gradient/'

export const differentiate = (options: DifferentiateOptions = {}): GraphPass =>
  definePass({
    name: 'differentiate',
    summary: 'gradients of the loss by the trainable variables',
    phase: 'grad',
    preserves: 'mode',
    options: {
      ...(options.loss === undefined ? {} : { loss: options.loss }),
      ...(options.frozen === undefined ? {} : { frozen: options.frozen }),
    },
    run: (graph, cx) => {
      const next = withGradients(graph, options)
      cx.report('gradients', next.outputs.length - graph.outputs.length)
      return next
    },
  })

const withGradients = (graph: Graph, { loss = 'loss', frozen = [] }: DifferentiateOptions): Graph => {
  const scalar = graph.outputs.find((output) => output.name === loss)
  if (scalar === undefined) {
    throw new EffuseError({
      code: 'EF302',
      message: `there is no output "${loss}" to differentiate; there are ${graph.outputs.map((o) => o.name).join(', ')}`,
    })
  }
  const isFrozen = globFilter(frozen)
  const variables = variablesOf(graph).filter(({ attrs }) => attrs.trainable && !isFrozen(attrs.name))
  const edit = new Edit(graph, 'differentiate')
  const gradients = reverse(
    targetIn(edit),
    scalar.value,
    variables.map(({ id }) => ({ id, port: 0 })),
  )
  edit.setOutputs([
    ...graph.outputs,
    ...variables.map(({ attrs }, i) => ({
      name: `${gradientPrefix}${attrs.name}`,
      value: gradients[i] ?? { id: scalar.value.id, port: 0 },
    })),
  ])
  return edit.commit()
}

/** Adds gradients of values in the edited graph to it. */
export const targetIn = (edit: Edit): GradientTarget => ({
  nodes: liveOrder(edit.base),
  emitterFor: (node) => edit.emitter(node, `grad(${node.path})`),
})

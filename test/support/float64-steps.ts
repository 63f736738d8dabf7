/** Training steps in float64: the step's own passes, run by the reference interpreter, its variables kept unrounded between the steps. */
import { initialValues } from '../../src/ir/initializers.ts'
import { variablesOf } from '../../src/ir/graph.ts'
import { interpret, type Mode, type Numbers } from '../../src/ir/interpret.ts'
import type { Model } from '../../src/ir/model.ts'
import type { Graph } from '../../src/ir/types.ts'
import { trainingPipeline } from '../../src/passes/pipelines.ts'
import { runPipeline } from '../../src/passes/runner.ts'
import { stepOptionsOf } from '../../src/passes/train/step.ts'

/** The graph of a training step as the passes make it, op by op: constants are not folded, which would round them to float32. */
export const stepGraph = (step: unknown, batch: number, { simplify = false } = {}): Graph => {
  const model = step as Model // any signature
  const options = stepOptionsOf(model)
  if (options === null) throw new Error(`${model.name} is no training step`)
  const pipeline = trainingPipeline({ legalize: [], fuse: [] }, { simplify, fusion: false }, options)
  const { run } = runPipeline(pipeline, { run: model.at({ batch }) }).plans
  if (run === undefined) throw new Error('a step has the plan "run"')
  return run
}

export interface Float64Trainer {
  /** All variables, as they are now. */
  readonly variables: Map<string, Numbers>
  /** One step. Scalars by name. */
  run(inputs: { readonly [name: string]: Numbers }): { readonly [output: string]: number }
}

export const float64Trainer = (
  graph: Graph,
  start: (name: string, shape: readonly number[]) => Numbers | null,
  mode: Mode = 'float64',
): Float64Trainer => {
  const variables = new Map<string, Numbers>()
  for (const { attrs, types } of variablesOf(graph)) {
    const shape = types[0]?.shape ?? []
    const { init, name } = attrs
    const of = init.kind === 'sameAs' ? init.name : name
    variables.set(name, start(of, shape) ?? initialValues(init, shape, { seed: 0, name }))
  }
  let runIndex = 0
  return {
    variables,
    run: (inputs) => {
      const { outputs, updates } = interpret(graph, { inputs, variables, mode, runIndex: runIndex++ })
      for (const [name, { data }] of updates) variables.set(name, data)
      return Object.fromEntries(Object.entries(outputs).map(([name, { data }]) => [name, data[0] ?? Number.NaN]))
    },
  }
}

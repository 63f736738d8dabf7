/**
 * A training step on the reference interpreter in float64, with float64 variables: results that differ elsewhere by rounding agree here to nine
 * digits. It counts micro-batches itself and shares no code with the executable.
 */
import { initialValues } from '../../src/ir/initializers.ts'
import { interpret, type Numbers } from '../../src/ir/interpret.ts'
import { nodesOf } from '../../src/ir/graph.ts'
import type { Model } from '../../src/ir/model.ts'
import { trainingPipeline } from '../../src/passes/standard-pipelines.ts'
import { findGraph, graphOf, graphsOf, type Program, programOf } from '../../src/passes/program.ts'
import { runPipeline } from '../../src/passes/runner.ts'
import { stepOptionsOf } from '../../src/passes/train/declaration.ts'

export interface Float64Trainer {
  readonly program: Program
  readonly variables: Map<string, Float64Array>
  /** The outputs of `run`; or of `micro` and, after every n-th, of `apply`. */
  run(inputs: { readonly [name: string]: Numbers }): { readonly [name: string]: Float64Array }
}

export const float64Trainer = (step: Model, batch: number, seed = 0): Float64Trainer => {
  const options = stepOptionsOf(step)
  if (options === null) throw new Error(`${step.name} is no training step`)
  // Without simplification, because folded constants are rounded to float32.
  const pipeline = trainingPipeline({ legalize: [], fuse: [] }, { simplify: false, fusion: false }, options)
  const { program } = runPipeline(pipeline, programOf(step.at({ batch })), { verify: true })
  const variables = new Map<string, Float64Array>()
  for (const graph of graphsOf(program))
    for (const node of nodesOf(graph))
      if (node.op === 'variable') {
        const { name, init } = node.attrs
        variables.set(name, Float64Array.from(initialValues(init, node.types[0]?.shape ?? [], { seed, name })))
      }
  let runs = 0
  const runStep = (name: string, inputs: { readonly [name: string]: Numbers }) => {
    const graph = graphOf(program, name)
    const { outputs, updates } = interpret(graph, { inputs, variables, mode: 'float64', seed, runIndex: runs })
    for (const [name, { data }] of updates) variables.set(name, data)
    return Object.fromEntries(Object.entries(outputs).map(([name, { data }]) => [name, data]))
  }
  return {
    program,
    variables,
    run: (inputs) => {
      if (findGraph(program, 'micro') === undefined) return runStep('run', inputs)
      const micro = runStep('micro', inputs)
      return ++runs % (options.accumulate ?? 1) === 0 ? { ...micro, ...runStep('apply', {}) } : micro
    },
  }
}

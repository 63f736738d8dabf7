/** Runs one graph on a backend without compile(): through the passes of the backend, with its own variables. */
import { expect } from 'vitest'
import { type Backend, type FeedTensor, type HostArray, hostArrayOf } from '../../src/backends/backend.ts'
import { specsOf } from '../../src/executable/variable-spec.ts'
import { elements, type Graph } from '../../src/ir/types.ts'
import { isProgramPass, type Pass } from '../../src/passes/pass.ts'
import { programOf } from '../../src/passes/program.ts'

export const applied = (passes: readonly Pass[], g: Graph, backend: Backend): Graph =>
  passes.reduce(
    (current, pass) =>
      isProgramPass(pass) ? current : pass.run(current, { target: backend.target, report: () => {} }),
    g,
  )

/** Compiles one graph as the plan `run`, with its own variables. */
export const runnableOf = async (
  backend: Backend,
  g: Graph,
  variables: ReadonlyMap<string, ArrayLike<number>>,
  passes = backend.legalize,
) => {
  const store = backend.createStore()
  for (const { name, type } of specsOf([g]))
    store.declare(name, type, () =>
      hostArrayOf(type.dtype, variables.get(name) ?? new Float32Array(elements(type.shape))),
    )
  const runnable = await backend.compile(programOf(applied(passes, g, backend)), store, { nameOf: (name) => name })
  const runWith = (feeds: ReadonlyMap<string, FeedTensor>) =>
    store.turn((turn) => runnable.run(turn, ['run'], feeds, { seed: 3, runIndex: 0, replica: 0 }))
  const run = async (inputs: {
    readonly [name: string]: ArrayLike<number>
  }): Promise<{ readonly [name: string]: HostArray }> => {
    const feeds = new Map(
      g.nodes.flatMap((n): [string, FeedTensor][] => {
        const [type] = n?.types ?? []
        return n?.op === 'input' && type !== undefined
          ? [[n.attrs.name, { type, host: hostArrayOf(type.dtype, inputs[n.attrs.name] ?? []) }]]
          : []
      }),
    )
    const results: { [name: string]: HostArray } = {}
    for (const [name, tensor] of await runWith(feeds)) {
      results[name] = await tensor.read()
      tensor.dispose()
    }
    return results
  }
  return {
    store,
    run,
    runWith,
    runnable,
    dispose: () => {
      runnable.dispose()
      store.dispose()
    },
  }
}

/** Compares with a tolerance relative to each number, or absolute for numbers below 1. */
export const expectClose = (got: ArrayLike<number> | undefined, want: ArrayLike<number>, tolerance: number): void => {
  expect(got?.length).toBe(want.length)
  Array.from(want).forEach((w, i) => {
    const g = got?.[i] ?? Number.NaN
    if (g === w || (Number.isNaN(g) && Number.isNaN(w))) return
    if (!(Math.abs(g - w) <= tolerance * Math.max(1, Math.abs(w)))) expect.fail(`element ${i}: got ${g}, expected ${w}`)
  })
}

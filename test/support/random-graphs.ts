/** Random graphs on a backend, against the reference. */
import fc from 'fast-check'
import type { Backend } from '../../src/backends/backend.ts'
import { interpret } from '../../src/ir/interpret.ts'
import { anyGraph, feedsFor } from '../../src/testing/index.ts'
import { expectClose, runnableOf } from './one-graph.ts'

/** Checks that the backend gives the results of the interpreter, including updates. */
export const expectRandomGraphs = (backend: Backend, numRuns: number): Promise<void> =>
  fc.assert(
    fc.asyncProperty(anyGraph({ mixedTypes: false }), fc.nat(1000), async ({ graph: g }, seed) => {
      const { inputs, variables } = feedsFor(g, seed)
      const want = interpret(g, { inputs, variables, mode: 'declared' })
      const { run, store, dispose } = await runnableOf(backend, g, variables)
      const got = await run(inputs)
      for (const [output, { data }] of Object.entries(want.outputs)) expectClose(got[output], data, 1e-4)
      for (const [variable, { data }] of want.updates)
        expectClose((await store.read([variable])).get(variable), data, 1e-4)
      dispose()
    }),
    { numRuns },
  )

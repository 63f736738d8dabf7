/** Runs dispatches in the calling thread and blocks it, where workers are unavailable. */
import { runFailed } from './errors.ts'
import type { LinearMemory } from './linear-memory.ts'
import type { Dispatch } from './messages.ts'
import { importsOf } from './imports.ts'
import type { Runner } from './runner.ts'

interface Loaded {
  readonly dispatches: readonly Dispatch[]
  readonly calls: readonly ((...numbers: number[]) => void)[]
}

export const makeInThread = (bytes: LinearMemory): Runner => {
  const lists = new Map<number, Loaded>()
  return {
    threads: 1,
    load: ({ list, modules, dispatches }) => {
      const instances = modules.map((module) => new WebAssembly.Instance(module, importsOf(bytes.memory)))
      const calls = dispatches.map(
        ({ module, name }) => instances[module]?.exports[name] as Loaded['calls'][number], // the module exports it
      )
      lists.set(list, { dispatches, calls })
    },
    unload: (list) => void lists.delete(list),
    run: async ({ list, table, context, contextAddress, scratch, isProfiled }) => {
      const { dispatches, calls } = lists.get(list) as Loaded // a list is loaded before its runs
      const times = isProfiled ? new Float64Array(dispatches.length) : null
      bytes.write(contextAddress, context)
      try {
        for (const [at, { slots, units, context: own, isOptional }] of dispatches.entries()) {
          if (isOptional && table[slots.at(-1) ?? 0] === 0) continue
          const start = times === null ? 0 : performance.now()
          calls[at]?.(...slots.map((slot) => table[slot] as number), scratch, contextAddress + own, 0, units)
          if (times !== null) times[at] = performance.now() - start
        }
        return times
      } catch (error) {
        throw runFailed(error instanceof Error ? error.message : String(error))
      }
    },
    dispose: async () => lists.clear(),
  }
}

/** What compile() passes to a backend: the program after all passes, and the store of its variables. */
import type { Backend, Runnable, Store } from '../backends/backend.ts'
import { invariant } from '../ir/diagnostics.ts'
import type { Program } from '../passes/program.ts'

export interface RecordedProgram {
  readonly program: Program
  readonly store: Store
  /** The name that the store uses for a variable of the program. */
  readonly nameOf: (variable: string) => string
}

/** A backend for compile() that records each program instead of compiling it. `last` returns the most recent one. */
export const recording = (backend: Backend): { readonly backend: Backend; readonly last: () => RecordedProgram } => {
  let recorded: RecordedProgram | null = null
  return {
    backend: {
      ...backend,
      compile: async (program, store, { nameOf }) => {
        recorded = { program, store, nameOf }
        return neverRun
      },
    },
    last: () => {
      invariant(recorded !== null, () => 'compile() passed no program to its backend')
      return recorded
    },
  }
}

const notRun = (): never => {
  throw new Error('a program that was only recorded cannot run')
}
const neverRun: Runnable = {
  run: notRun,
  profile: notRun,
  plan: { kernels: 0, dispatches: 0, peakBytes: null, arenaBytes: null, lowerBoundBytes: null },
  dispose: () => {},
}

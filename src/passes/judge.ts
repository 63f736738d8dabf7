/**
 * The judge of passes for `verify: true`. The runner gets it as an option, so that programs without the option, especially pages, do not load it.
 */
import { checkMeaning } from './check-meaning.ts'
import { passCounterexample } from './shrink/pass-fault.ts'

export interface Judge {
  readonly checkMeaning: typeof checkMeaning
  readonly passCounterexample: typeof passCounterexample
}

/** Compares the program before and after each pass on the reference interpreter, and shrinks a graph for which they differ. */
export const meaningJudge: Judge = Object.freeze({ checkMeaning, passCounterexample })

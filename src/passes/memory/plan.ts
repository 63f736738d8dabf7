/** A memory plan: in which order the steps run, where each value lies, and what is moved when all steps are done. Plain data. */
import type { MemoryProblem } from './problem.ts'
import type { ScheduleRule } from './schedule.ts'

/** In memory of the plan, or in the memory of a variable. */
export type Place = { readonly arena: number; readonly offset: number } | { readonly variable: number }

/** A copy from one value to another of as many bytes. */
export interface Move {
  readonly from: number
  readonly to: number
}

export interface MemoryPlan {
  readonly problem: MemoryProblem
  /** Steps by position. */
  readonly order: readonly number[]
  readonly rule: ScheduleRule
  /** By value; a view lies with its base. Null: outside of the plan, or an input that nothing reads. */
  readonly places: readonly (Place | null)[]
  /**
   * The commit tail: moves after the last step, one after another. None of them fails, so variables change together or not at all.
   * Each variable's new value is moved here unless a step wrote it in place after the last step that can fail.
   */
  readonly tail: readonly Move[]
  /** Bytes of values that the tail needs besides: copies of results that are a variable's memory, temporaries of swaps. Value i is `values.length + i`. */
  readonly extras: readonly number[]
  /** Where each result is after the tail: the value itself or a copy. */
  readonly results: readonly number[]
  /** Bytes of each arena. */
  readonly arenas: readonly number[]
  /** The sum of the arenas. */
  readonly arenaBytes: number
  /** The most bytes alive at once in this order, as in `lowerBoundOf`: no plan for this order has smaller arenas. */
  readonly lowerBoundBytes: number
}

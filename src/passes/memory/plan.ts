/** A memory plan: the order of the steps, the place of each value, and the moves after the last step. Plain data. */
import type { MemoryProblem } from './problem.ts'
import type { ScheduleRule } from './schedule.ts'

/** In memory of the plan, or in the memory of a variable. */
export type Place = { readonly arena: number; readonly offset: number } | { readonly variable: number }

/** A copy from one value to another of the same size. */
export interface Move {
  readonly from: number
  readonly to: number
}

export interface MemoryPlan {
  readonly problem: MemoryProblem
  /** Steps by position. */
  readonly order: readonly number[]
  readonly rule: ScheduleRule
  /** By value; a view has the place of its base. Null: outside of the plan, or an input that nothing reads. */
  readonly places: readonly (Place | null)[]
  /**
   * The commit tail: moves after the last step, one after another. None of them can fail, so either all variables change or none.
   * Each variable's new value is moved here unless a step wrote it in place after the last step that can fail.
   */
  readonly tail: readonly Move[]
  /** Bytes of additional values of the tail: copies of results that are in a variable's memory, temporaries of swaps. Value i is `values.length + i`. */
  readonly extras: readonly number[]
  /** The value that has each result after the tail: the value itself or a copy. */
  readonly results: readonly number[]
  /** Bytes of each arena. */
  readonly arenas: readonly number[]
  /** The sum of the arenas. */
  readonly arenaBytes: number
  /** The most bytes alive at the same time in this order, as in `lowerBoundOf`. No plan for this order has smaller arenas. */
  readonly lowerBoundBytes: number
}

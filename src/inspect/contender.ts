/** What a race times. */

export interface Outcome {
  /** Of a training step; null: there is none to compare. */
  readonly loss: number | null
  /** What the run took, where the contender measures it itself: another process, say. */
  readonly ms?: number | undefined
}

/** A program to time. */
export interface Contender {
  readonly name: string
  readonly backend: string
  readonly amp: boolean
  readonly xla: boolean
  readonly compileMs: number
  readonly peakBytes: number | null
  /** Runs once and reads the results. */
  run(): Promise<Outcome>
  /** The first result of inference; null or absent: there is none to compare. */
  outputs?(): Promise<ArrayLike<number> | null>
  dispose(): void
}

/** The result of an evaluation. */
export interface Evaluation<M extends string = string> {
  /** Share of rows whose largest logit is the right class, 0 to 1. */
  readonly top1: number
  /** Share of rows whose right class is among the five largest logits. */
  readonly top5: number
  /** Mean over the rows, without smoothing and decay. */
  readonly loss: number
  readonly count: number
  /** Means of the requested metrics over the rows. */
  readonly metrics: { readonly [K in M]: number }
  /** Null if it was not requested. */
  readonly confusion: Confusion | null
  /** Without the first batch, which is a warm-up, if there are others. */
  readonly imagesPerSecond: number
  /** Of one batch after the first, including data and results. */
  readonly latencyMs: { readonly mean: number; readonly p90: number; readonly p95: number; readonly p99: number }
}

/** How often each class was predicted for each class. */
export interface Confusion {
  /** Their names, in the order of the data. */
  readonly classes: readonly string[]
  /** [classes, classes], row by row: `counts[wanted * classes.length + predicted]` rows. If logits are equal, the first is the prediction. */
  readonly counts: Int32Array
}

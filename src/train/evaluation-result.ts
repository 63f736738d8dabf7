/** What an evaluation says. */
export interface Evaluation<M extends string = string> {
  /** Share of rows whose largest logit is the right class, 0 to 1. */
  readonly top1: number
  /** Share of rows whose right class is among the five largest logits. */
  readonly top5: number
  /** Mean over the rows, without smoothing and decay. */
  readonly loss: number
  readonly count: number
  /** Means over the rows of the metrics that were asked for. */
  readonly metrics: { readonly [K in M]: number }
  /** Null where it was not asked for. */
  readonly confusion: Confusion | null
  /** After the first batch, which warms up, where there are others. */
  readonly imagesPerSecond: number
  /** Of a batch after the first one, data and results included. */
  readonly latencyMs: { readonly mean: number; readonly p90: number; readonly p95: number; readonly p99: number }
}

/** How often which class was taken for which. */
export interface Confusion {
  /** Their names, in the order of the data. */
  readonly classes: readonly string[]
  /** [classes, classes], row by row: `counts[wanted * classes.length + predicted]` rows. Of equal logits the first is the prediction. */
  readonly counts: Int32Array
}

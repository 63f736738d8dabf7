/** What an evaluation says. */
export interface Evaluation {
  /** Share of rows whose largest logit is the right class, 0 to 1. */
  readonly top1: number
  /** Share of rows whose right class is among the five largest logits. */
  readonly top5: number
  /** Mean over the rows, without smoothing and decay. */
  readonly loss: number
  readonly count: number
  /** After the first batch, which warms up, where there are others. */
  readonly imagesPerSecond: number
  /** Of a batch after the first one, data and results included. */
  readonly latencyMs: { readonly mean: number; readonly p90: number; readonly p95: number; readonly p99: number }
}

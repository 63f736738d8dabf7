/** Sums of an evaluation's results over its batches. */
import type { Confusion, Evaluation } from './evaluation-result.ts'

/** Of one run: means over its rows, and counts. */
export interface BatchFigures {
  readonly loss: number
  readonly correct: number
  readonly top5: number
  readonly metrics: { readonly [name: string]: number }
  /** Of each row; null if no matrix was requested. */
  readonly classes: { readonly predicted: Int32Array; readonly wanted: Int32Array } | null
}

export interface EvaluationSums {
  /** Rows so far. */
  readonly count: () => number
  /** @param rows How many of the batch's rows count, starting at the first. */
  add(figures: BatchFigures, rows: number): void
  result(): Pick<Evaluation, 'top1' | 'top5' | 'loss' | 'count' | 'metrics' | 'confusion'>
}

/** @param classes Names of the data's classes. */
export const makeSums = (classes: readonly string[]): EvaluationSums => {
  const sums = { loss: 0, correct: 0, top5: 0, count: 0 }
  const metrics = new Map<string, number>()
  let counts: Int32Array | null = null
  return {
    count: () => sums.count,
    add: (figures, rows) => {
      sums.loss += figures.loss * rows
      sums.correct += figures.correct
      sums.top5 += figures.top5
      sums.count += rows
      for (const [name, mean] of Object.entries(figures.metrics))
        metrics.set(name, (metrics.get(name) ?? 0) + mean * rows)
      if (figures.classes === null) return
      counts ??= new Int32Array(classes.length ** 2)
      const { predicted, wanted } = figures.classes
      for (let row = 0; row < rows; row++) {
        const at = (wanted[row] as number) * classes.length + (predicted[row] as number) // both have one value per row
        counts[at] = (counts[at] ?? 0) + 1
      }
    },
    result: () => ({
      top1: sums.correct / sums.count,
      top5: sums.top5 / sums.count,
      loss: sums.loss / sums.count,
      count: sums.count,
      metrics: Object.fromEntries([...metrics].map(([name, sum]) => [name, sum / sums.count])),
      confusion: counts === null ? null : { classes, counts },
    }),
  }
}

/** A pair of classes of which one was predicted for the other. */
export interface Mistake {
  readonly wanted: string
  readonly predicted: string
  readonly count: number
  /** Share of the rows of the wanted class, 0 to 1. */
  readonly share: number
}

/** The confused pairs of classes, the most frequent first; equal pairs in the order of the classes. */
export const mistakesIn = ({ classes, counts }: Confusion): readonly Mistake[] => {
  const mistakes: Mistake[] = []
  classes.forEach((wanted, i) => {
    const row = counts.subarray(i * classes.length, (i + 1) * classes.length)
    const total = row.reduce((sum, count) => sum + count, 0)
    classes.forEach((predicted, j) => {
      const count = row[j] ?? 0
      if (i !== j && count > 0) mistakes.push({ wanted, predicted, count, share: count / total })
    })
  })
  return mistakes.sort((a, b) => b.count - a.count)
}

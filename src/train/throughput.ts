/** Rows per second over the last few runs. */
import { now } from '#platform'

export interface Throughput {
  /** Call it when a run with this number of rows has ended. */
  note(rows: number): void
  /** 0 before the first note. */
  rate(): number
  /** Excludes the time since the last note, for example of an evaluation or a checkpoint. */
  restart(): void
}

const windowRuns = 20

export const makeThroughput = (): Throughput => {
  let from = now()
  const runs: { readonly rows: number; readonly ms: number }[] = []
  return {
    note: (rows) => {
      const at = now()
      runs.push({ rows, ms: at - from })
      if (runs.length > windowRuns) runs.shift()
      from = at
    },
    rate: () => {
      const [rows, ms] = runs.reduce(([r, t], run) => [r + run.rows, t + run.ms] as const, [0, 0])
      return ms > 0 ? (rows / ms) * 1000 : 0
    },
    restart: () => {
      from = now()
    },
  }
}

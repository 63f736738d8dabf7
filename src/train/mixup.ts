/**
 * Mixup (Zhang et al., 2018) as in the EfficientNet reference: each row is blended with the row at the same position from the end. The row
 * itself has the larger share. Labels are blended in the same way.
 */
import { EffuseError } from '../ir/diagnostics.ts'
import { drawBeta } from './beta.ts'
import type { Column } from './source.ts'

export interface MixupPosition {
  readonly alpha: number
  readonly seed: number
  readonly epoch: number
  readonly batch: number
}

/** The share that each row keeps, 0.5 to 1. */
export const mixupShares = (rows: number, { alpha, seed, epoch, batch }: MixupPosition): readonly number[] =>
  Array.from({ length: rows }, (_, row) => {
    const share = drawBeta(alpha, { seed, stream: 'mixup', epoch, batch, row })
    return Math.max(share, 1 - share)
  })

/** The column blended with itself in reverse order of rows. */
export const mixColumn = (column: Column, shares: readonly number[]): Float32Array<ArrayBuffer> => {
  const rows = shares.length
  const size = column.length / rows
  if (!Number.isInteger(size))
    throw new EffuseError({ code: 'EF701', message: `${column.length} values do not make ${rows} rows` })
  const mixed = new Float32Array(column.length)
  for (let row = 0; row < rows; row++) {
    const share = shares[row] as number // one per row
    const [at, other] = [row * size, (rows - 1 - row) * size]
    for (let i = 0; i < size; i++)
      mixed[at + i] = share * (column[at + i] as number) + (1 - share) * (column[other + i] as number) // both in range
  }
  return mixed
}

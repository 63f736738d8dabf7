/** A device that counts its live values and detects double frees. Uploads fail on request. */
import type { HostArray } from '../../src/backends/backend.ts'
import type { Memory } from '../../src/backends/common/variable-store.ts'

export interface Cell {
  data: HostArray
  isFree: boolean
}
export const counting = (): Memory<Cell> & { readonly alive: () => number; fails: boolean } => {
  const cells: Cell[] = []
  const memory = {
    device: {},
    fails: false,
    alive: () => cells.filter(({ isFree }) => !isFree).length,
    upload: (data: HostArray): Cell => {
      if (memory.fails) throw new Error('out of memory')
      const cell = { data: data.slice(), isFree: false }
      cells.push(cell)
      return cell
    },
    download: async ({ data }: Cell) => {
      const copy = data.slice()
      await null
      return copy
    },
    free: (cell: Cell) => {
      if (cell.isFree) throw new Error('freed twice')
      cell.isFree = true
    },
  }
  return memory
}

/** Random graphs on a backend, against the reference: op by op, and simplified and fused. */
import { expect } from 'vitest'
import type { Backend } from '../../src/backends/backend.ts'
import { verifyGraphs } from '../../src/testing/index.ts'
import fc from 'fast-check'

export const expectRandomGraphs = async (backend: Backend, runs: number): Promise<void> => {
  const { seed } = fc.readConfigureGlobal()
  for (const isFused of [false, true]) {
    const switches = { simplify: isFused, fusion: isFused }
    expect((await verifyGraphs(backend, { runs, switches, seed })).failures).toEqual([])
  }
}

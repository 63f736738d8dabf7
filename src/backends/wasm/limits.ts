/** Refuses programs that need more memory than WebAssembly has. */
import { EffuseError } from '../../ir/diagnostics.ts'
import { inputTypes, variablesOf } from '../../ir/graph.ts'
import { sizeBytes } from '../../ir/types.ts'
import { graphsOf, type Program } from '../../passes/program.ts'
import { mebibytes, pageBytes } from './runtime/space.ts'

export interface MemoryNeeds {
  readonly program: Program
  /** The maximum that a run of the largest step takes. */
  readonly peakBytes: number
  /** The packed forms of variables, which are stored beside the variables. */
  readonly packedBytes: number
  /** Constants, tables and scratch memory of all steps. */
  readonly boundBytes: number
}

/** The size of a block is rounded up to a multiple of 64, and the memory has slack at its end. */
const roundingBytes = pageBytes

/** @throws EffuseError EF409 */
export const ensureFits = (needs: MemoryNeeds, bytesMax: number): void => {
  const { program, peakBytes, packedBytes, boundBytes } = needs
  const variables = variableBytes(program)
  const others = variables + packedBytes + boundBytes + roundingBytes
  if (peakBytes + others <= bytesMax) return
  const parts = [
    [variables, 'for its variables'],
    [packedBytes, 'for packed copies of variables'],
    [boundBytes, 'for constants and scratch memory'],
  ] as const
  const held = parts.filter(([bytes]) => bytes > 0).map(([bytes, what]) => `, ${mebibytes(bytes)} ${what}`)
  throw new EffuseError({
    code: 'EF409',
    message: `${program.name} needs ${mebibytes(peakBytes)} for a run${held.join('')}; the backend wasm has at most ${mebibytes(bytesMax)}`,
    // If even batch 1 does not fit, the batch is not the cause.
    hint:
      (others < bytesMax ? batchHint(program, peakBytes, bytesMax - others) : undefined) ??
      'use a smaller model, or another backend',
  })
}

/**
 * Estimates which batch fits into this many bytes: a plan grows in proportion to the batch. Undefined if the inputs have no common first dimension. A
 * program does not say whether that dimension is its batch, so the hint is conditional.
 */
export const batchHint = (program: Program, peakBytes: number, freeBytes: number): string | undefined => {
  const batch = batchOf(program)
  if (batch === null || batch === 1) return undefined
  const fitting = Math.min(batch - 1, Math.floor((batch * freeBytes) / peakBytes))
  return fitting < 1
    ? `no batch fits; use smaller pictures, or another backend`
    : `if ${batch} is its batch, compile it with a batch of at most about ${fitting}; otherwise use smaller pictures, or another backend`
}

/** The first dimension of all fed inputs; null if they differ. */
const batchOf = (program: Program): number | null => {
  const crossing = new Set(program.crossing.map(({ name }) => name))
  const sizes = graphsOf(program).flatMap((graph) =>
    [...inputTypes(graph)].filter(([name]) => !crossing.has(name)).map(([, { shape }]) => shape[0]),
  )
  const [first] = sizes
  return first !== undefined && sizes.every((size) => size === first) ? first : null
}

const variableBytes = (program: Program): number => {
  const found = new Map(
    graphsOf(program).flatMap((graph) =>
      variablesOf(graph).map(({ attrs: { name }, types: [type] }) => [name, type === undefined ? 0 : sizeBytes(type)]),
    ),
  )
  return [...found.values()].reduce((sum, bytes) => sum + bytes, 0)
}

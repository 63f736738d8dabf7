/** Programs that need more memory than WebAssembly has. */
import { EffuseError } from '../../ir/diagnostics.ts'
import { inputTypes, variablesOf } from '../../ir/graph.ts'
import { sizeBytes } from '../../ir/types.ts'
import { graphsOf, type Program } from '../../passes/program.ts'
import { mebibytes } from './runtime/space.ts'

/** @param peakBytes What the largest step takes besides variables. @throws EffuseError EF409 */
export const ensureFits = (program: Program, peakBytes: number, bytesMax: number): void => {
  const variables = variableBytes(program)
  if (peakBytes + variables <= bytesMax) return
  const held = variables === 0 ? '' : `, and its variables ${mebibytes(variables)}`
  throw new EffuseError({
    code: 'EF409',
    message: `${program.name} needs ${mebibytes(peakBytes)} for a run${held}; the backend wasm has at most ${mebibytes(bytesMax)}`,
    hint: batchHint(program, peakBytes, bytesMax - variables) ?? 'use smaller pictures, or another backend',
  })
}

/** Which batch fits into so many bytes: plans grow with the batch. Undefined where the inputs have no batch in common. */
export const batchHint = (program: Program, peakBytes: number, freeBytes: number): string | undefined => {
  const batch = batchOf(program)
  if (batch === null || batch === 1) return undefined
  const fitting = Math.min(batch - 1, Math.floor((batch * freeBytes) / peakBytes))
  return fitting < 1
    ? `no batch fits; use smaller pictures, or another backend`
    : `compile it with a batch of at most about ${fitting} instead of ${batch}`
}

/** The size that all fed inputs have in front; null where they differ. */
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

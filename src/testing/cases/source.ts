import { fc } from '../fast-check.ts'
import type { SourceOps } from '../../ir/signatures.ts'
import { shapeArb } from '../arbitraries.ts'
import type { CaseTable } from '../op-case.ts'

/** Sources that their attributes define completely. `constant` needs a declared type; the graph generator covers it. */
export const sourceCases: Pick<CaseTable<SourceOps>, 'iota' | 'randomUniform'> = {
  iota: fc
    .record({
      shape: shapeArb({ min: 1, max: 3 }),
      at: fc.nat(),
      dtype: fc.constantFrom('float32' as const, 'int32' as const),
    })
    .map(({ shape, at, dtype }) => ({
      op: 'iota',
      inputs: [],
      attrs: { shape, axis: at % shape.length, dtype },
      isSmooth: false,
    })),
  randomUniform: fc
    .record({ shape: shapeArb(), stream: fc.string() })
    .map(({ shape, stream }) => ({ op: 'randomUniform', inputs: [], attrs: { shape, stream }, isSmooth: false })),
}

/** The documentation of all ops, total over signatures.ts. Apart from the table of definitions: bundles that do not show it do not have it. */
import type { OpDoc } from '../op-def.ts'
import type { OpName } from '../signatures.ts'
import { compositeDocs } from './composite/index.ts'
import { contractionDocs } from './contraction/index.ts'
import { elementwiseDocs } from './elementwise/index.ts'
import { movementDocs } from './movement/index.ts'
import { poolingDocs } from './pooling/index.ts'
import { reductionDocs } from './reduction/index.ts'
import { regionDocs } from './region/index.ts'
import { sourceDocs } from './source/index.ts'
import { trainingDocs } from './training/index.ts'

export const opDocs: { readonly [K in OpName]: OpDoc } = {
  ...sourceDocs,
  ...elementwiseDocs,
  ...movementDocs,
  ...reductionDocs,
  ...contractionDocs,
  ...poolingDocs,
  ...compositeDocs,
  ...trainingDocs,
  ...regionDocs,
}

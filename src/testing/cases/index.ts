/** Random cases for every op, total over the vocabulary. */
import type { Arbitrary } from '../fast-check.ts'
import type { OpName } from '../../ir/signatures.ts'
import type { OpCase } from '../op-case.ts'
import { compositeCases } from './composite.ts'
import { contractionCases } from './contraction.ts'
import { elementwiseCases } from './elementwise.ts'
import { movementCases } from './movement.ts'
import { poolingCases } from './pooling.ts'
import { reductionCases } from './reduction.ts'
import { sourceCases } from './source.ts'
import { trainingCases } from './training.ts'

/** Without regions (fusion, composite): their bodies can be any graph, so the tests of the passes that make them cover them. */
export type CaseOp = Exclude<OpName, 'input' | 'variable' | 'constant' | 'fusion' | 'composite'>

/** Random cases for every op by name, with operands and attributes that its type rule accepts. */
export const opCases: { readonly [K in CaseOp]: Arbitrary<OpCase> } = {
  ...sourceCases,
  ...elementwiseCases,
  ...movementCases,
  ...reductionCases,
  ...contractionCases,
  ...poolingCases,
  ...compositeCases,
  ...trainingCases,
}

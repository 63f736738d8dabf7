/** The mutants by hand: each is a plausible fault that a test must detect. */
import type { Mutant } from '../mutant.ts'
import { backendMutants } from './backends.ts'
import { opMutants } from './ops.ts'
import { passMutants } from './passes.ts'
import { textMutants } from './text.ts'
import { trainingMutants } from './training.ts'

export const mutantsByHand: readonly Mutant[] = [
  ...passMutants,
  ...opMutants,
  ...trainingMutants,
  ...backendMutants,
  ...textMutants,
]

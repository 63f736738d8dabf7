/** The mutants that were thought out: each is a fault that somebody could make, and that a test must see. */
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

/** A training step of one's own, as `--model` names it. */
import { plainNet, squaresStep } from '../support/small-steps.ts'

export const step = squaresStep(plainNet)

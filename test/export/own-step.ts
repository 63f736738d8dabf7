/** A user's training step for `--model`. */
import { plainNet, squaresStep } from '../support/small-steps.ts'

export const step = squaresStep(plainNet)

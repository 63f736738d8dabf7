/** A program for kill.test.ts: starts or resumes a run in a folder on a backend, its two arguments. Prints a line per step. */
import type { BackendName } from '../../src/backends/catalog.ts'
import { directory } from '../../src/node.ts'
import { crossEntropy } from '../../src/passes/train/losses.ts'
import { rmsprop } from '../../src/passes/train/optimizers.ts'
import { cosine } from '../../src/passes/train/schedules.ts'
import { fit } from '../../src/train/fit.ts'
import { pictures, smallNet } from './small-data.ts'

const [, , folder = '', backend] = process.argv
using run = await fit(smallNet(), {
  data: { train: pictures(160, { canSkip: true, isShuffled: true }), test: pictures(12) },
  loss: crossEntropy({ labels: 'distribution' }),
  optimizer: ({ steps }) => rmsprop({ learningRate: cosine({ initial: 0.02, steps }), initialMeanSquare: 1 }),
  ...{ emaDecay: 0.9, lossScale: 'dynamic', mixup: 0.2, epochs: 12, batch: 8, seed: 3 },
  backend: backend as BackendName, // the argument of the test
  checkpoints: directory(folder),
  checkpointEvery: 3,
  resume: true,
  onEvent: (event) => {
    if (event.kind === 'step') console.log(`step ${event.step}`)
    if (event.kind === 'notice') console.log(event.message)
  },
})
console.log(run.reason)

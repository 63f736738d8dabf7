/** Checkpoints of runs: the state as JSON, alone and in a whole file beside tensors, and the declaration of the model. */
import fc, { type Arbitrary } from 'fast-check'
import { writeOwnFile } from '../../../src/io/checksums.ts'
import { labelsKey, modelKey, trainingKey } from '../../../src/io/own-metadata.ts'
import { stepName } from '../../../src/io/run-files.ts'
import { EffuseError } from '../../../src/ir/diagnostics.ts'
import { openModel } from '../../../src/models/open-model.ts'
import { latestCheckpoint } from '../../../src/train/checkpoints.ts'
import { memoryStore } from '../../../src/train/checkpoint-store.ts'
import { parseState, type RunConfiguration, type RunState, stateText } from '../../../src/train/run-state.ts'
import { damagedJson } from '../mutations.ts'
import { type FuzzTarget, wordsFile, wrong } from '../target.ts'

const share = fc.constantFrom(0, 0.25, 1)
const loss = fc.constantFrom(0.5, Number.NaN, Infinity, -0)
const gain = fc.option(fc.record({ epoch: fc.nat(3), top1: share }))
const state: Arbitrary<RunState> = fc.record({
  epoch: fc.integer({ min: 4, max: 9 }),
  batchInEpoch: fc.nat(9),
  step: fc.integer({ min: 10, max: 99 }),
  runIndex: fc.integer({ min: 99, max: 999 }),
  skippedSteps: fc.integer({ min: 2, max: 9 }),
  skippedInRow: fc.nat(2),
  pending: fc.record({ batches: fc.nat(1), loss, correct: fc.nat(4) }),
  loss: fc.option(loss),
  lossScale: fc.constantFrom(1, 2 ** 15),
  top1: fc.option(share),
  emaTop1: fc.option(share),
  best: gain,
  lastGain: gain,
  firstBatch: fc.option(
    fc.record({
      fingerprint: fc.constant('f00d'),
      batch: fc.integer({ min: 1, max: 8 }),
      size: fc.constant([8, 8] as const),
    }),
    { nil: undefined },
  ),
  model: fc.option(fc.record({ stage: fc.nat(2), fingerprint: fc.constant('beef') }), { nil: undefined }),
})
const configuration: Arbitrary<RunConfiguration> = fc.record({
  seed: fc.nat(9),
  batch: fc.integer({ min: 1, max: 9 }),
  accumulate: fc.integer({ min: 2, max: 4 }),
  classes: fc.constantFrom(['a', 'b'], ['__proto__', 'constructor']),
  length: fc.integer({ min: 1, max: 99 }),
})
const states = damagedJson(fc.tuple(state, configuration).map(([s, c]) => stateText(s, c)))

/** The model of a file whose tensors do not fill it. */
const declarations = damagedJson(
  fc.constantFrom(
    '{"family":"efficientnet","variant":"b0","options":{"classes":2,"resolution":16,"inChannels":1,"blocks":[{"kernel":3,"repeats":1,"filters":8,"expand":1,"strides":1}]}}',
    '{"family":"efficientnet","variant":"lite0","options":{"classes":2,"normalize":{"mean":[1,2,3],"std":4},"batchNorm":{"momentum":0.5}}}',
    '{"family":"efficientnet","variant":"b0","options":{"head":false,"taps":["stem","blocks.0"],"padding":"symmetric"}}',
  ),
)
const labels = damagedJson(fc.constant('["ant", "bee"]'))

export const checkpoint: FuzzTarget<readonly string[]> = {
  name: 'checkpoint',
  summary: 'the state of a run and the model in a checkpoint',
  cases: fc.oneof(
    { weight: 15, arbitrary: fc.tuple(states) },
    // Declaring a network takes time.
    { weight: 1, arbitrary: fc.tuple(states, declarations, labels) },
  ),
  file: wordsFile,
  acceptedLeast: 0.2,
  attempt: async ([text = '', declared, named]) => {
    const bytes = writeOwnFile(tensors, {
      [trainingKey]: wellFormed(text),
      ...(declared === undefined ? {} : { [modelKey]: wellFormed(declared) }),
      ...(named === undefined ? {} : { [labelsKey]: wellFormed(named) }),
    })
    // Missing weights are reported when they are loaded.
    if (declared !== undefined) await openModel(bytes).catch(onlyEffuse)
    const found = parseState(text)
    const store = memoryStore()
    await store.write(stepName(1), bytes)
    const read = await latestCheckpoint(store, () => {}).catch(onlyEffuse)
    if (typeof found === 'string') {
      if (read !== null) wrong('its state is damaged, and the file was taken')
      throw new EffuseError({ code: 'EF508', message: found })
    }
    if (read === null) wrong('its state is sound, and the file was not taken')
    const again = stateText(found.state, found.configuration)
    const twice = parseState(again)
    if (typeof twice === 'string' || stateText(twice.state, twice.configuration) !== again)
      wrong(`it is written as what reads back differently: ${again}`)
  },
}

const tensors = [{ name: 'head/dense/bias', dtype: 'float32', shape: [2], bytes: new Uint8Array(8) }] as const

/** A file cannot contain half of a surrogate pair. */
const wellFormed = (text: string): string => new TextDecoder().decode(new TextEncoder().encode(text))

const onlyEffuse = (error: unknown): null => {
  if (!(error instanceof EffuseError) || error.code === 'EF901') throw error
  return null
}

/** Pipelines in text: passes with their options, run over a small network and over one with a loss. */
import fc, { type Arbitrary } from 'fast-check'
import { graph } from '../../../src/ir/model.ts'
import * as nn from '../../../src/ir/nn.ts'
import { dropout, globalAveragePool2d, mean, mul, silu } from '../../../src/ir/functions.ts'
import { float32 } from '../../../src/ir/value.ts'
import { programOf } from '../../../src/passes/program.ts'
import { parsePipeline, passFactories } from '../../../src/passes/registry.ts'
import { runPipeline } from '../../../src/passes/runner.ts'
import { damagedText, jsonWords } from '../mutations.ts'
import { type FuzzTarget, textFile, wrong } from '../target.ts'

const net = graph('net', { image: float32('batch', 4, 4, 2) }, ({ image }) => {
  const x = nn.batchNorm(nn.conv2d(image, { name: 'stem', filters: 2, kernel: 3 }), { name: 'bn' })
  return { logits: nn.dense(dropout(globalAveragePool2d(silu(x)), { rate: 0.2 }), { name: 'dense', units: 3 }) }
})
const withLoss = graph('withLoss', { image: float32('batch', 4, 4, 2) }, ({ image }) => {
  const x = silu(nn.batchNorm(nn.conv2d(image, { name: 'stem', filters: 2, kernel: 3 }), { name: 'bn' }))
  return { loss: mean(mul(x, x)) }
})
const programs = [programOf(net.at({ batch: 2 })), programOf(withLoss.at({ batch: 2 }))]

const value = fc.oneof(
  fc.constantFrom(...jsonWords.filter((word) => word.length < 80)),
  fc.constantFrom('float16', 'bfloat16', '"dynamic"', '"none"', '["**"]', '["silu", "batchNorm"]', '"loss"', '1', '2'),
  fc.constantFrom('{"kind": "sgd"}', '{"kind": "adam"}', '{"kind": "constant", "value": 0.1}', '[0.5, 1e-9]'),
)
const passText: Arbitrary<string> = fc
  .tuple(fc.constantFrom(...passFactories), fc.array(fc.tuple(fc.nat(20), value), { maxLength: 2 }))
  .map(([{ name, options }, given]) => {
    const names = Object.keys(options)
    if (names.length === 0 || given.length === 0) return name
    return `${name}{${given.map(([at, of]) => `${names[at % names.length]}=${of}`).join(', ')}}`
  })
/** In the order of a training step, so that many pipelines complete. */
const trainingPrefix = [
  'to-training',
  'simplify',
  'decompose',
  'scale-loss',
  'differentiate{loss="scaledLoss"}',
  'unscale',
]
const texts = fc.oneof(
  fc.array(passText, { minLength: 1, maxLength: 4 }).map((passes) => passes.join(',')),
  fc
    .tuple(fc.constantFrom('to-inference', trainingPrefix.join(',')), fc.array(passText, { maxLength: 3 }))
    .map(([first, passes]) => [first, ...passes].join(', ')),
)

export const pipelineText: FuzzTarget<string> = {
  name: 'pipeline-text',
  summary: 'pipelines in text, run over small graphs',
  cases: damagedText(
    texts,
    ['{', '}', ',', '=', ...jsonWords.slice(0, 20), ...passFactories.map(({ name }) => name)],
    2,
  ),
  file: textFile,
  acceptedLeast: 0.15,
  attempt: (text) => {
    const pipeline = parsePipeline(text)
    const printed = String(pipeline)
    if (String(parsePipeline(printed)) !== printed) wrong(`it prints as what reads back differently: ${printed}`)
    // Both are run; the first error is thrown at the end.
    const errors: unknown[] = []
    for (const program of programs)
      try {
        runPipeline(pipeline, program, { verify: true })
      } catch (error) {
        errors.push(error)
      }
    const raw = errors.find((error) => !(error instanceof Error) || error.name !== 'EffuseError')
    if (raw !== undefined) throw raw
    if (errors.length === programs.length) throw errors[0]
  },
}

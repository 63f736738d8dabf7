/**
 * The B0 training step at batch 4, 96x96, 10 classes, RMSprop with averages, on tfjs-wasm: with all passes, op by op, and compared with the same step
 * written by hand in tfjs on tfjs-cpu (tfjs-wasm has no kernels for it). The target: at most 1.0 s. It also prints a profile.
 * Other peers by name: `npm run bench -- train -- tfjs-webgpu`, which needs an adapter.
 */
import { compile, crossEntropy, efficientNet, rmsprop, trainingStep } from '../src/index.ts'
import { bench } from '../src/inspect/index.ts'

const [batch, size, mostMs] = [4, 96, 1000]
const step = trainingStep(efficientNet('b0', { classes: 10, resolution: size }), {
  loss: crossEntropy({ labelSmoothing: 0.1 }),
  optimizer: rmsprop({ learningRate: 1e-3, initialMeanSquare: 1 }),
  weightDecay: 5e-6,
  emaDecay: 0.9999,
})
const { rows, skipped } = await bench(step, {
  batch,
  backend: 'tfjs-wasm',
  against: [...process.argv.slice(2), 'tfjs-wasm', 'tfjs-cpu'],
  budgetMs: 60_000,
  onProgress: (line) => console.log(`  ${line}`),
})
const peer = rows.at(-1)
for (const r of rows)
  console.log(
    `${r.name.padEnd(20)} compile ${r.compileMs.toFixed(0)} ms, first ${r.warmupMs.toFixed(0)} ms, median ${r.medianMs.toFixed(0)} ms, min ${r.minMs.toFixed(0)} ms, p90 ${r.p90Ms.toFixed(0)} ms of ${r.rounds}; ${r.imagesPerSecond.toFixed(1)} images/s, ${(r.medianMs / (peer?.medianMs ?? Number.NaN)).toFixed(4)} of the peer`,
  )
for (const { reason } of skipped) console.log(`left out: ${reason}`)
const [ours] = rows
console.log(
  `figure: a step in at most ${mostMs} ms: ${ours?.medianMs.toFixed(0)} ms, ${(ours?.medianMs ?? Number.NaN) <= mostMs ? 'kept' : 'MISSED'}`,
)

const net = await compile(step, { backend: 'tfjs-wasm', batch })
const image = Uint8Array.from({ length: batch * size * size * 3 }, (_, i) => (i * 7919) % 256)
const byKernel = new Map<string, number>()
const profiles = 3
for (let i = 0; i < profiles; i++)
  for (const { kernel, ms } of await net.profile({ image, label: [1, 2, 3, 4] }))
    byKernel.set(kernel, (byKernel.get(kernel) ?? 0) + ms / profiles)
for (const [kernel, ms] of [...byKernel].sort((a, b) => b[1] - a[1]).slice(0, 10))
  console.log(`    ${kernel.padEnd(24)} ${ms.toFixed(1)} ms`)
net.dispose()

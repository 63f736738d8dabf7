/** The B0 training step at batch 4, 96x96, 10 classes, RMSprop with averages, on tfjs-wasm: op by op as written and with all passes. */
import { compile, crossEntropy, efficientNet, rmsprop, trainingStep } from '../src/index.ts'

const [rounds, batch, size] = [8, 4, 96]
const step = trainingStep(efficientNet('b0', { classes: 10, resolution: size }), {
  loss: crossEntropy({ labelSmoothing: 0.1 }),
  optimizer: rmsprop({ learningRate: 1e-3, initialMeanSquare: 1 }),
  weightDecay: 5e-6,
  emaDecay: 0.9999,
})
const image = Uint8Array.from({ length: batch * size * size * 3 }, (_, i) => (i * 7919) % 256)
for (const xla of [true, false]) {
  const start = performance.now()
  const net = await compile(step, { backend: 'tfjs-wasm', batch, xla })
  const compiled = performance.now() - start
  const times: number[] = []
  for (let round = 0; round < rounds + 2; round++) {
    const from = performance.now()
    const results = await net.run({ image, label: [1, 2, 3, 4] })
    const loss = await results.loss.item()
    for (const result of Object.values(results)) result.dispose()
    times.push(performance.now() - from)
    if (round === 0 || round === rounds + 1) console.log(`  step ${round}: loss ${loss.toFixed(4)}`)
  }
  const [first = 0, , ...steady] = times
  steady.sort((a, b) => a - b)
  console.log(
    `xla ${xla}: compile ${compiled.toFixed(0)} ms, first ${first.toFixed(0)} ms, median ${(steady[steady.length >> 1] ?? 0).toFixed(0)} ms, min ${(steady[0] ?? 0).toFixed(0)} ms, ${net.plan.kernels} kernels, passes ${net.passes.reduce((s, p) => s + p.ms, 0).toFixed(0)} ms`,
  )
  if (xla) {
    const rows = await net.profile({ image, label: [1, 2, 3, 4] })
    const byKernel = new Map<string, number>()
    for (const row of rows) byKernel.set(row.kernel, (byKernel.get(row.kernel) ?? 0) + row.ms)
    for (const [kernel, ms] of [...byKernel].sort((a, b) => b[1] - a[1]).slice(0, 10))
      console.log(`    ${kernel.padEnd(40)} ${ms.toFixed(0)} ms`)
  }
  net.dispose()
}

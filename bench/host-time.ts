/**
 * The time of a step outside of the backend (the queue, feeds, results, bookkeeping), and whether memory stays constant.
 * Host time is the time of a run with reading its results, minus the time inside Runnable.run and of reading tensors. The target: less than 1 ms.
 */
import * as tf from '@tensorflow/tfjs-core'
import type { Runnable } from '../src/backends/backend.ts'
import { createTfjsBackend } from '../src/backends/tfjs/index.ts'
import { compile, crossEntropy, efficientNet, rmsprop, trainingStep } from '../src/index.ts'

const [batch, size, timedSteps, steps, mostMs] = [8, 28, 400, 1000, 1]
const gc = (globalThis as { readonly gc?: () => void }).gc
if (gc === undefined) throw new Error('run with --expose-gc, as npm run bench does')

/** The milliseconds inside of the backend so far. */
let inside = 0
const timed = async <T>(work: () => Promise<T>): Promise<T> => {
  const start = performance.now()
  try {
    return await work()
  } finally {
    inside += performance.now() - start
  }
}
const watched = <V>(runnable: Runnable<V>): Runnable<V> => ({
  ...runnable,
  run: async (...call) => {
    const results = await timed(() => runnable.run(...call))
    return new Map([...results].map(([name, tensor]) => [name, { ...tensor, read: () => timed(() => tensor.read()) }]))
  },
})
const backend = await createTfjsBackend({ backend: 'wasm' })
const watchedBackend: typeof backend = {
  ...backend,
  compile: async (...call) => watched(await backend.compile(...call)),
}

const blocks = [
  { kernel: 3, repeats: 1, filters: 8, expand: 1, strides: 2 },
  { kernel: 3, repeats: 1, filters: 16, expand: 2, strides: 2 },
] as const
const step = trainingStep(efficientNet('b0', { classes: 10, resolution: size, inChannels: 1, blocks }), {
  loss: crossEntropy(),
  optimizer: rmsprop({ learningRate: 1e-3 }),
  weightDecay: 1e-5,
  emaDecay: 0.99,
})
const net = await compile(step, { backend: watchedBackend, batch })
const image = Uint8Array.from({ length: batch * size * size }, (_, i) => (i * 7919) % 256)
const label = Int32Array.from({ length: batch }, (_, i) => i % 10)
const once = async (): Promise<void> => {
  for (const result of Object.values(await net.run({ image, label }))) {
    await result.data()
    result.dispose()
  }
}
for (let i = 0; i < 20; i++) await once()

const totals: number[] = []
const hosts: number[] = []
for (let i = 0; i < timedSteps; i++) {
  const [start, before] = [performance.now(), inside]
  await once()
  const total = performance.now() - start
  totals.push(total)
  hosts.push(total - (inside - before))
}
const at = (list: readonly number[], share: number): number =>
  [...list].sort((a, b) => a - b)[Math.floor(share * list.length)] ?? Number.NaN
const told = (list: readonly number[]): string =>
  `median ${at(list, 0.5).toFixed(3)} ms, p90 ${at(list, 0.9).toFixed(3)} ms, min ${at(list, 0).toFixed(3)} ms`
console.log(`${timedSteps} steps of ${net.plan.kernels} kernels: ${told(totals)}`)
console.log(`outside of the backend: ${told(hosts)}`)
console.log(
  `figure: under ${mostMs} ms outside of the backend: ${at(hosts, 0.5).toFixed(3)} ms, ${at(hosts, 0.5) < mostMs ? 'kept' : 'MISSED'}`,
)

const instance = tf.findBackend('wasm') as unknown as {
  numDataIds(): number
  readonly wasm: { readonly HEAPU8: Uint8Array }
}
const memory = (when: string): void => {
  gc()
  gc()
  const { heapUsed, external } = process.memoryUsage()
  console.log(
    `${when.padEnd(10)} ${instance.numDataIds()} buffers, tfjs counts ${tf.memory().numTensors} tensors of ${tf.memory().numBytes} bytes, wasm memory ${instance.wasm.HEAPU8.length} bytes, heap ${(heapUsed / 2 ** 20).toFixed(2)} MiB, external ${(external / 2 ** 20).toFixed(2)} MiB`,
  )
}
memory('step 0')
for (let i = 1; i <= steps; i++) {
  await once()
  if (i === steps / 2) memory(`step ${i}`)
}
memory(`step ${steps}`)
net.dispose()

/**
 * Delays of the event loop during training steps of EfficientNet-B0 on TensorFlow, whose calls run on other threads. A timer of 1 ms measures how much
 * later than planned it fires: first while the process is idle, which shows the machine's own delays, then during the steps. The target: less than 5 ms.
 */
import { availableParallelism, cpus } from 'node:os'
import { compile, crossEntropy, efficientNet, rmsprop, trainingStep } from '../src/index.ts'

const [batch, size, classes, steps, periodMs, mostMs, idleMsMost] = [8, 224, 1000, 20, 1, 5, 5000]

/** Starts to measure; the function that it returns ends this, and gives the delays in ms, the shortest first. */
const watch = (): (() => Float64Array) => {
  const delays: number[] = []
  let last = performance.now()
  const note = (): void => {
    const now = performance.now()
    delays.push(Math.max(0, now - last - periodMs))
    last = now
  }
  const timer = setInterval(note, periodMs)
  return () => {
    clearInterval(timer)
    note() // the time since the last tick counts, too
    return Float64Array.from(delays).sort()
  }
}

const told = (what: string, delays: Float64Array): number => {
  const at = (share: number): number =>
    delays[Math.min(delays.length - 1, Math.floor(share * delays.length))] ?? Number.NaN
  const most = at(1)
  console.log(
    `${what}: max ${most.toFixed(2)} ms, 99 % ${at(0.99).toFixed(2)} ms, median ${at(0.5).toFixed(2)} ms of ${delays.length} ticks`,
  )
  return most
}

console.log(`${availableParallelism()} x ${cpus()[0]?.model.trim() ?? 'unknown'}, Node ${process.versions.node}`)
const model = efficientNet('b0', { classes, resolution: size })
const step = trainingStep(model, {
  loss: crossEntropy({ labelSmoothing: 0.1 }),
  optimizer: rmsprop({ learningRate: 0.016 }),
  weightDecay: 5e-6,
  emaDecay: 0.9999,
})
using net = await compile(step, { backend: 'tensorflow', batch })
const image = Uint8Array.from({ length: batch * size * size * 3 }, (_, i) => (i * 7919) % 256)
const label = Int32Array.from({ length: batch }, (_, i) => (i * 31) % classes)
const once = async (): Promise<void> => {
  const { loss } = await net.run({ image, label })
  await loss.data()
  loss.dispose()
}
for (let i = 0; i < 3; i++) await once() // TensorFlow plans and creates kernels

const stepStart = performance.now()
await once()
const stepMs = performance.now() - stepStart
const endIdle = watch()
await new Promise((resolve) => setTimeout(resolve, Math.min(steps * stepMs, idleMsMost)))
told('idle', endIdle())
const start = performance.now()
const end = watch()
for (let i = 0; i < steps; i++) await once()
const most = told(`during ${steps} steps of B0, batch ${batch} at ${size}`, end())
console.log(`${((performance.now() - start) / steps).toFixed(1)} ms a step`)
if (most > mostMs) console.log(`the longest delay is above the target of ${mostMs} ms; compare with the idle process`)

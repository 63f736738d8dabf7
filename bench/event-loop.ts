/**
 * Delays of the event loop during training steps of EfficientNet-B0 on TensorFlow, whose calls run on other threads. A timer of 1 ms measures how much
 * later than planned it fires. Linux says how much of each delay is work of the main thread, which the target is for, and how much is its waiting for a
 * core. The rest is neither: the system wakes the thread late, or the garbage collector waits for its own threads. For comparison the same is measured in
 * the idle process, and while as many threads as cores count in loops: a busy machine delays every program.
 */
import { closeSync, openSync, readSync } from 'node:fs'
import { availableParallelism, cpus } from 'node:os'
import { PerformanceObserver } from 'node:perf_hooks'
import { Worker } from 'node:worker_threads'
import { compile, crossEntropy, efficientNet, rmsprop, trainingStep } from '../src/index.ts'

const [batch, size, classes, steps, periodMs, mostMs, comparedMs] = [8, 224, 1000, 20, 1, 5, 4000]

/** Milliseconds since the last tick, without the period of the timer, and what the main thread did in that time. */
interface Tick {
  readonly delay: number
  /** The thread computed. NaN where the system does not tell. */
  readonly work: number
  /** The thread could have computed, but other threads had the cores. */
  readonly wait: number
}

/** The main thread's milliseconds of work and of waiting so far, from proc(5). Reading takes 5 us. */
const openTimes = (): { readonly read: () => readonly [number, number]; readonly close: () => void } => {
  if (process.platform !== 'linux') return { read: () => [Number.NaN, Number.NaN], close: () => {} }
  const file = openSync('/proc/self/schedstat', 'r')
  const text = Buffer.alloc(128)
  const read = (): readonly [number, number] => {
    const [work = Number.NaN, wait = Number.NaN] = text
      .toString('latin1', 0, readSync(file, text, 0, text.length, 0))
      .split(' ')
      .map((ns) => Number(ns) / 1e6)
    return [work, wait]
  }
  return { read, close: () => closeSync(file) }
}

const times = openTimes()

/** Starts to measure; the function that it returns ends this. */
const watch = (): (() => readonly Tick[]) => {
  const ticks: Tick[] = []
  let last = performance.now()
  let [lastWork, lastWait] = times.read()
  const note = (): void => {
    const now = performance.now()
    const [work, wait] = times.read()
    ticks.push({ delay: Math.max(0, now - last - periodMs), work: work - lastWork, wait: wait - lastWait })
    ;[last, lastWork, lastWait] = [now, work, wait]
  }
  const timer = setInterval(note, periodMs)
  return () => {
    clearInterval(timer)
    note() // the time since the last tick counts, too
    return ticks
  }
}

/** Prints the figures, and returns the longest work without the event loop. */
const told = (what: string, ticks: readonly Tick[]): number => {
  const figures = (key: keyof Tick): string => {
    const sorted = Float64Array.from(ticks, (tick) => tick[key]).sort()
    const at = (share: number): string =>
      (sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN).toFixed(2).padStart(7)
    return `max ${at(1)}   99.9 % ${at(0.999)}   99 % ${at(0.99)}   median ${at(0.5)}`
  }
  const longest = ticks.reduce((a, b) => (b.delay > a.delay ? b : a))
  console.log(`${what}, ${ticks.length} ticks, ms`)
  console.log(`  delay             ${figures('delay')}`)
  console.log(`  work              ${figures('work')}`)
  console.log(`  wait for a core   ${figures('wait')}`)
  console.log(
    `  the longest delay, ${longest.delay.toFixed(2)}: ${longest.work.toFixed(2)} work, ${longest.wait.toFixed(2)} wait for a core`,
  )
  return Math.max(...ticks.map(({ work }) => work))
}

const compared = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, comparedMs))

const cores = availableParallelism()
console.log(`${cores} x ${cpus()[0]?.model.trim() ?? 'unknown'}, Node ${process.versions.node}`)
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

const endFirst = watch()
await once()
told('the first step, which also makes the initial values', endFirst())
for (let i = 0; i < 2; i++) await once() // TensorFlow plans and creates kernels, V8 optimises

const endIdle = watch()
await compared()
told('idle', endIdle())

const threads = Array.from({ length: cores }, () => new Worker('for (;;) Math.random()', { eval: true }))
await Promise.all(threads.map((thread) => new Promise((resolve) => thread.once('online', resolve))))
const endBusy = watch()
await compared()
told(`${cores} threads that count`, endBusy())
await Promise.all(threads.map((thread) => thread.terminate()))

const pauses: number[] = []
const collections = new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) pauses.push(duration)
})
collections.observe({ entryTypes: ['gc'] })
const start = performance.now()
const end = watch()
for (let i = 0; i < steps; i++) await once()
const most = told(`${steps} steps of B0, batch ${batch} at ${size}`, end())
console.log(`${((performance.now() - start) / steps).toFixed(1)} ms a step`)
await new Promise((resolve) => setImmediate(resolve)) // the observer is called between other work
collections.disconnect()
times.close()
console.log(`${pauses.length} garbage collections, the longest ${Math.max(0, ...pauses).toFixed(2)} ms`)
if (most > mostMs) console.log(`the main thread worked longer than the target of ${mostMs} ms without the event loop`)

/**
 * The program that process.test.ts starts: it uses TensorFlow, prints "running" when a long run has started, and then exits or is terminated as its
 * argument says.
 */
import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import type { TensorflowContext } from '../../../src/backends/tensorflow/context.ts'
import { createTensorflowBackend } from '../../../src/backends/tensorflow/index.ts'
import { importTfjsNode } from '../../../src/backends/tensorflow/tfjs-node.ts'
import { compile } from '../../../src/compile.ts'
import { add, float32, graph, matmul } from '../../../src/index.ts'

const size = 1200
/** About 40 GFLOP, which take about a second on one core. */
const long = graph('long', { x: float32(size, size) }, ({ x }) => {
  let y = x
  for (let i = 0; i < 12; i++) y = matmul(y, x)
  return { y }
})

const open = async () => {
  const net = await compile(long, { backend: await createTensorflowBackend() })
  const x = new Float32Array(size * size).fill(1 / size)
  return { run: async () => (await net.run({ x })).y }
}

const mode = process.argv[2] ?? ''

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** Starts a run, and returns while it is computed. */
const begin = async (): Promise<void> => {
  const { run } = await open()
  await run()
  void run()
  await wait(20)
  process.stderr.write('running\n')
}

const inWorker = async (): Promise<void> => {
  const { run } = await open()
  parentPort?.postMessage('running')
  for (;;) {
    const y = await run()
    const [first] = await y.data()
    y.dispose()
    parentPort?.postMessage(first)
  }
}

/** Whether a further context says that it has threads of its own, and the threads that it starts: five, if it has. */
const secondPool = async () => {
  const before = readdirSync('/proc/self/task').length
  const backend = await createTensorflowBackend({ intraOpThreads: 5, interOpThreads: 1 })
  const threads = readdirSync('/proc/self/task').length - before
  const { api } = backend.device as TensorflowContext // of this backend
  return { own: api.hasSeparatePools, threads }
}

/** The first messages of a worker. */
const messages = (worker: Worker, count: number): Promise<readonly unknown[]> =>
  new Promise((resolve, reject) => {
    const got: unknown[] = []
    worker.on('error', reject)
    worker.on('message', (message) => {
      got.push(message)
      if (got.length === count) resolve(got)
    })
  })

const modes: { readonly [mode: string]: () => Promise<void> } = {
  /** Node waits for the run. */
  pending: begin,
  exit: async () => {
    await begin()
    process.exit(7)
  },
  throws: async () => {
    await begin()
    throw new Error('mine')
  },
  /** Ends by a signal. */
  signal: async () => {
    await begin()
    await wait(60_000)
  },
  handler: async () => {
    process.on('SIGTERM', () => process.exit(3))
    await begin()
    await wait(60_000)
  },
  /** Two contexts in two threads, and one in the main thread. The threads are terminated during their runs. */
  workers: async () => {
    const file = fileURLToPath(import.meta.url)
    const workers = [new Worker(file), new Worker(file)]
    const all = await Promise.all(workers.map((worker) => messages(worker, 4)))
    await Promise.all(workers.map((worker) => worker.terminate()))
    const { run } = await open()
    const [first] = await (await run()).data()
    process.stdout.write(JSON.stringify({ all, first }))
  },
  /** Turns of the event loop during a run. */
  loop: async () => {
    const { run } = await open()
    await run()
    const turns = { count: 0, isOver: false }
    const turn = (): void => {
      turns.count++
      if (!turns.isOver) setTimeout(turn, 1)
    }
    const pending = run()
    await wait(0) // the feed is copied at the call
    turn()
    await pending
    turns.isOver = true
    process.stdout.write(JSON.stringify(turns.count))
  },
  /** Whether contexts have threads of their own, and the threads that a second context with five of them starts. */
  pools: async () => {
    await createTensorflowBackend({ intraOpThreads: 1, interOpThreads: 1 })
    process.stdout.write(JSON.stringify(await secondPool()))
  },
  /** What a child process inherits; and the same as `pools` afterwards, here and in another thread. */
  'pools and children': async () => {
    await createTensorflowBackend({ intraOpThreads: 1, interOpThreads: 1 })
    const print = "process.stdout.write(JSON.stringify(process.env['TF_OVERRIDE_GLOBAL_THREADPOOL'] ?? null))"
    const inherited = JSON.parse(execFileSync(process.execPath, ['-e', print], { encoding: 'utf8' }))
    const here = await secondPool() // before there is another thread, whose end would change the number of threads
    const [inWorker] = await messages(new Worker(fileURLToPath(import.meta.url), { workerData: 'pools' }), 1)
    process.stdout.write(JSON.stringify({ inherited, here, inWorker }))
  },
  'pools after tfjs-node': async () => {
    await importTfjsNode()
    await modes['pools']?.()
  },
  /** MB by which the process grows in 400 runs with feeds and results of 6 MB, after 40. */
  memory: async () => {
    const net = await compile(
      graph('small', { x: float32(size, size) }, ({ x }) => ({ y: add(x, 1) })),
      { backend: await createTensorflowBackend() },
    )
    const x = new Float32Array(size * size)
    const runs = async (count: number) => {
      for (let n = 0; n < count; n++) {
        const { y } = await net.run({ x })
        await y.data()
        y.dispose()
      }
      return process.memoryUsage().rss / 2 ** 20
    }
    const before = await runs(40)
    process.stdout.write(JSON.stringify((await runs(400)) - before))
  },
}

if (isMainThread) await modes[mode]?.()
else if (workerData === 'pools') parentPort?.postMessage(await secondPool())
else await inWorker()

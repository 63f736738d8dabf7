/** The device of a backend: its memory, and the runner that executes on it. */
import { canShareMemory } from '#platform'
import { EffuseError } from '../../../ir/diagnostics.ts'
import type { DeviceLoss } from '../../backend.ts'
import { makeThreadPool, type ThreadPool } from './thread-pool.ts'
import { makeInThread } from './in-thread.ts'
import { type LinearMemory, takeMemory } from './linear-memory.ts'
import { defaultThreads, hasRelaxedSimd, wasmFault } from './probe.ts'
import type { Runner } from './runner.ts'
import { type Bytes, makeSpace, type Space } from './space.ts'

export interface WasmDevice {
  readonly space: Space
  /** Final once `started` has resolved. */
  readonly runner: Runner
  /** Resolves when the threads have started, or when the calling thread has taken their place. It never rejects. */
  readonly started: Promise<void>
  /** Is the memory shared? Modules must declare it. */
  readonly isShared: boolean
  /** May modules use relaxed SIMD? */
  readonly relaxedSimd: boolean
  readonly lost: Promise<DeviceLoss>
  /** What is unavailable on this machine or page, and the consequence. Complete once `started` has resolved. */
  readonly notes: readonly string[]
  dispose(): void
}

export interface DeviceOptions {
  readonly threads?: number | undefined
  readonly workerUrl?: string | undefined
  readonly relaxedSimd?: 'auto' | false | undefined
  /** For tests: simulates a page that is not isolated. */
  readonly isShared?: boolean | undefined
  /** For tests: simulates a system with less memory. */
  readonly bytesMax?: number | undefined
}

/** Opens a device and waits until its threads have started. @throws EffuseError as startDevice() */
export const openDevice = async (options: DeviceOptions): Promise<WasmDevice> => {
  const device = await startDevice(options)
  await device.started
  return device
}

/**
 * Opens a device whose threads may still be starting. The caller can use the time, and waits for `started` before it uses the runner.
 * @throws EffuseError EF404 without WebAssembly or SIMD, EF409 where the system refuses the memory
 */
export const startDevice = async ({
  threads = defaultThreads(),
  workerUrl,
  relaxedSimd: wantsRelaxed = 'auto',
  isShared = canShareMemory(),
  bytesMax,
}: DeviceOptions): Promise<WasmDevice> => {
  const fault = wasmFault()
  if (fault !== null)
    throw new EffuseError({
      code: 'EF404',
      message: `the backend wasm is not available: ${fault}`,
      hint: 'use another browser or version, or the backend "tfjs"',
    })
  const relaxedSimd = wantsRelaxed !== false && (await hasRelaxedSimd())
  if (isShared) return onSharedMemory(threads, { workerUrl, relaxedSimd, bytesMax })
  return onOwnMemory(threads === 1 ? [] : [isolationNote], { workerUrl, relaxedSimd, bytesMax })
}

interface Settings extends Pick<DeviceOptions, 'workerUrl' | 'bytesMax'> {
  readonly relaxedSimd: boolean
}

const onSharedMemory = (threads: number, settings: Settings): WasmDevice => {
  const memory = takeMemory(true)
  const pool = makeThreadPool({ threads, memory, workerUrl: settings.workerUrl })
  return onMemory(memory, { pool, starting: pool.start(), isShared: true, notes: [], ...settings })
}

/** One thread, which owns the memory. If it does not start, the calling thread computes. */
const onOwnMemory = async (notes: string[], settings: Settings): Promise<WasmDevice> => {
  const pool = makeThreadPool({ threads: 1, memory: null, workerUrl: settings.workerUrl })
  const starting = pool.start()
  const hasFailed = await starting.catch(() => true)
  const memory = hasFailed === true ? takeMemory(false) : pool.bytes
  const device = onMemory(memory, { pool, starting, isShared: false, notes, ...settings })
  await device.started
  return device
}

interface Starting extends Settings {
  readonly pool: ThreadPool
  readonly starting: Promise<void>
  readonly isShared: boolean
  readonly notes: string[]
}

/** If the threads do not start, the calling thread computes on the memory, which it can then access. */
const onMemory = (memory: Bytes | LinearMemory, how: Starting): WasmDevice => {
  const { pool, starting, isShared, relaxedSimd, notes, bytesMax } = how
  const space = makeSpace(memory, bytesMax)
  let runner: Runner = pool
  const started = starting.catch((error: unknown) => {
    runner = makeInThread(memory as LinearMemory)
    notes.push(threadNote(error))
  })
  return {
    space,
    get runner() {
      return runner
    },
    started,
    ...{ isShared, relaxedSimd, lost: pool.lost, notes },
    dispose: () => {
      space.close()
      void runner.dispose().then(() => {
        if ('close' in memory) memory.close()
      })
    },
  }
}

const isolationNote =
  'one thread: the page is not cross-origin isolated, so threads cannot share memory; serve it with the headers Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp'
const threadNote = (error: unknown): string =>
  `runs block the calling thread, because no worker starts here: ${error instanceof Error ? error.message : String(error)}; where a content policy forbids it, pass workerUrl to createWasmBackend()`

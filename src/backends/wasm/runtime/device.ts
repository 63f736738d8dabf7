/** The device of a backend: its memory, and the runner that executes on it. */
import { canShareMemory } from '#platform'
import { EffuseError } from '../../../ir/diagnostics.ts'
import type { DeviceLoss } from '../../backend.ts'
import { openThreadPool } from './thread-pool.ts'
import { makeInThread } from './in-thread.ts'
import { takeMemory } from './linear-memory.ts'
import { defaultThreads, hasRelaxedSimd, wasmFault } from './probe.ts'
import type { Runner } from './runner.ts'
import { makeSpace, type Space } from './space.ts'

export interface WasmDevice {
  readonly space: Space
  readonly runner: Runner
  /** Is the memory shared? Modules must declare it. */
  readonly isShared: boolean
  /** May modules use relaxed SIMD? */
  readonly relaxedSimd: boolean
  readonly lost: Promise<DeviceLoss>
  /** What is unavailable on this machine or page, and the consequence. */
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

/** @throws EffuseError EF404 without WebAssembly or SIMD, EF409 where the system refuses the memory */
export const openDevice = async ({
  threads,
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
  const wanted = threads ?? defaultThreads()
  const notes = isShared || wanted === 1 ? [] : [isolationNote]
  const memory = isShared ? takeMemory(true) : null
  try {
    const pool = await openThreadPool({ threads: isShared ? wanted : 1, memory, workerUrl })
    const space = makeSpace(pool.bytes, bytesMax)
    const dispose = (): void => {
      space.close()
      void pool.dispose().then(() => memory?.close())
    }
    return { space, runner: pool, isShared, relaxedSimd, lost: pool.lost, notes, dispose }
  } catch (error) {
    memory?.close()
    const own = takeMemory(false)
    const space = makeSpace(own, bytesMax)
    const runner = makeInThread(own)
    const reason = error instanceof Error ? error.message : String(error)
    const dispose = (): void => {
      space.close()
      void runner.dispose().then(() => own.close())
    }
    const lost = new Promise<never>(() => {})
    return { space, runner, isShared: false, relaxedSimd, lost, notes: [...notes, threadNote(reason)], dispose }
  }
}

const isolationNote =
  'one thread: the page is not cross-origin isolated, so threads cannot share memory; serve it with the headers Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp'
const threadNote = (reason: string): string =>
  `runs block the calling thread, because no worker starts here: ${reason}; where a content policy forbids it, pass workerUrl to createWasmBackend()`

/**
 * Places the threads of a pool on processors, one on each. After a pause, Linux often wakes two threads that wait for each other on one processor, and
 * moves one away only after some tens of milliseconds: the first runs then take as long as with one thread. Linux only.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { loadKoffi } from './find-library.ts'

/** The name that TensorFlow gives to threads that compute. */
const poolName = 'tf_Compute'

/** The ids of the threads of this process. Empty where the system does not list them. */
export const threadIds = (): readonly number[] => {
  if (process.platform !== 'linux') return []
  try {
    return readdirSync('/proc/self/task').map(Number)
  } catch {
    return []
  }
}

/**
 * Binds each of the threads that compute to a processor of its own.
 *
 * @param ids Threads of this process. Those that do not compute are left as they are.
 *
 * @param count The number of threads that compute. If the process may use another number of processors, all threads stay free: bound threads could
 * not give way to other work while another processor has none.
 *
 * @returns Whether they are bound.
 */
export const bindThreads = (ids: readonly number[], count: number): boolean => {
  const computing = ids.filter((id) => nameOf(id) === poolName)
  if (computing.length !== count) return false
  try {
    return bind(computing, affinityCalls())
  } catch {
    return false // the C library has no such functions
  }
}

const affinityCalls = () => {
  const libc = loadKoffi().load(null)
  return {
    get: libc.func('int sched_getaffinity(int, size_t, _Out_ uint8_t*)') as AffinityCall,
    set: libc.func('int sched_setaffinity(int, size_t, const uint8_t*)') as AffinityCall,
  }
}

/** Returns 0, or -1 if it fails. */
type AffinityCall = (thread: number, size: number, mask: Uint8Array) => number

/** Binds all threads or none. */
const bind = (threads: readonly number[], { get, set }: ReturnType<typeof affinityCalls>): boolean => {
  const allowed = new Uint8Array(maskBytes)
  if (get(0, maskBytes, allowed) !== 0) return false
  const processors = processorsIn(allowed)
  if (processors.length !== threads.length) return false
  const isBound = threads.every((id, at) => set(id, maskBytes, maskOf(processors[at] as number)) === 0) // one for each
  if (!isBound) for (const id of threads) set(id, maskBytes, allowed)
  return isBound
}

/** The size of glibc's cpu_set_t: 1024 processors. */
const maskBytes = 128

/** The numbers of the processors in a mask, which has one bit for each. */
export const processorsIn = (mask: Uint8Array): readonly number[] =>
  [...mask].flatMap((byte, at) => [0, 1, 2, 3, 4, 5, 6, 7].flatMap((bit) => ((byte >> bit) & 1 ? [8 * at + bit] : [])))

const maskOf = (processor: number): Uint8Array => {
  const mask = new Uint8Array(maskBytes)
  mask[processor >> 3] = 1 << (processor & 7)
  return mask
}

/** Null if the thread has ended. */
const nameOf = (id: number): string | null => {
  try {
    return readFileSync(`/proc/self/task/${id}/comm`, 'utf8').trim()
  } catch {
    return null
  }
}

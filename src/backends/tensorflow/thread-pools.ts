/**
 * Whether each context has threads of its own for the work inside an op. By default TensorFlow has one pool of such threads for the process, with the
 * number that the first context asks for. An environment variable gives each context a pool; TensorFlow reads it when the first context is made.
 */
import type { loadKoffi } from './find-library.ts'

const variable = 'TF_OVERRIDE_GLOBAL_THREADPOOL'

/** RTLD_LAZY and RTLD_NOLOAD of dlfcn.h. */
const findLoaded = process.platform === 'darwin' ? 0x1 | 0x10 : 0x1 | 0x4

/**
 * Sets the variable, unless the user has, and returns whether it has effect. It comes too late if another package, such as tfjs-node, has loaded the
 * library before. It is not set then, so that later calls find out, too.
 *
 * @param library The file that reads the variable.
 */
export const separatePools = (koffi: ReturnType<typeof loadKoffi>, library: string): boolean => {
  const libc = koffi.load(null)
  // These functions, because in worker threads of Node process.env is only a copy.
  const dlopen = libc.func('void* dlopen(str, int)')
  const isLoaded = !isNull(dlopen(library, findLoaded))
  if (!isLoaded) libc.func('int setenv(str, str, int)')(variable, '1', 0)
  const value: string | null = libc.func('str getenv(str)')(variable)
  return value !== null && /^(1|true)$/i.test(value)
}

const isNull = (pointer: unknown): boolean => pointer === null || pointer === 0n

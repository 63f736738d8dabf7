/**
 * Whether each context has threads of its own for the work inside an op. By default TensorFlow has one pool of such threads for the process, with the
 * number that the first context asks for. An environment variable gives each context a pool. TensorFlow reads it once in a process, when the first
 * context is made. After that the variable is removed, because other programs that this process starts would inherit it.
 */
import type { loadKoffi } from './find-library.ts'

type Koffi = ReturnType<typeof loadKoffi>

const variable = 'TF_OVERRIDE_GLOBAL_THREADPOOL'

/** TensorFlow's own record, a C++ bool: true until a context is made with the variable. Not all builds export it. */
const sharesPool = '_ZN10tensorflow11LocalDevice22use_global_threadpool_E'

/** RTLD_LAZY and RTLD_NOLOAD of dlfcn.h. */
const findLoaded = process.platform === 'darwin' ? 0x1 | 0x10 : 0x1 | 0x4

export interface ThreadPools {
  readonly areSeparate: boolean
  /** Must be called when a context has been made. Removes the variable, if effuse has set it and TensorFlow's record shows that it was read. */
  contextMade(): void
}

/**
 * Sets the variable, unless the user has. It comes too late if another package, such as tfjs-node, has loaded the library before. It is not set then,
 * so that later calls find out, too.
 *
 * @param library The file that reads the variable.
 */
export const separatePools = (koffi: Koffi, library: string): ThreadPools => {
  const libc = koffi.load(null)
  // These functions, because in worker threads of Node process.env is only a copy.
  const getenv: (name: string) => string | null = libc.func('str getenv(str)')
  const dlopen = libc.func('void* dlopen(str, int)')
  const isLoaded = !isNull(dlopen(library, findLoaded))
  let isOurs = !isLoaded && getenv(variable) === null
  if (isOurs) libc.func('int setenv(str, str, int)')(variable, '1', 0)
  return {
    areSeparate: /^(1|true)$/i.test(getenv(variable) ?? '') || (isLoaded && wasRead(koffi, library)),
    contextMade: () => {
      if (!isOurs || !wasRead(koffi, library)) return
      libc.func('int unsetenv(str)')(variable)
      isOurs = false
    },
  }
}

/** Whether a context of this process was made with the variable. False if the library does not export its record. */
const wasRead = (koffi: Koffi, library: string): boolean => {
  try {
    return koffi.decode(koffi.load(library, { lazy: true }).symbol(sharesPool), 'bool') === false
  } catch {
    return false
  }
}

const isNull = (pointer: unknown): boolean => pointer === null || pointer === 0n

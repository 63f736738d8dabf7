/** The platform of browsers: no files by path, no environment. The one of Node is node.ts. */
import { EffuseError } from '../ir/diagnostics.ts'
import { navigatorGpu } from './navigator-gpu.ts'
import type { Platform } from './platform.ts'

export const readFile: Platform['readFile'] = async (path) => {
  throw new EffuseError({
    code: 'EF501',
    message: `cannot read the file ${String(path)}: a browser has no files by path`,
    hint: 'fetch it and pass the Response, or pass a Blob or File from an <input type="file">',
  })
}

export const folderNames: Platform['folderNames'] = async () => null

export const writeFileAtomic: Platform['writeFileAtomic'] = async (path) => {
  throw new EffuseError({
    code: 'EF501',
    message: `cannot write the file ${String(path)}: a browser has no files by path`,
    hint: 'save without a path returns the bytes: offer them as a download, or store them in IndexedDB or OPFS',
  })
}

export const saveTemporaryText: Platform['saveTemporaryText'] = () => null

export const saveText: Platform['saveText'] = (folder) => {
  throw new EffuseError({ code: 'EF501', message: `cannot write into ${folder}: a browser has no files by path` })
}

export const environment: Platform['environment'] = () => undefined

export const now: Platform['now'] = () => performance.now()

/** Posts a message to itself, because a timer would wait for 4 ms. */
export const nextTurn: Platform['nextTurn'] = () =>
  new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel()
    port1.onmessage = () => {
      port1.close()
      resolve()
    }
    port2.postMessage(null)
  })

export const progressOutput: Platform['progressOutput'] = async () => ({ say: (line) => console.info(line), bar: null })

export const findGpu: Platform['findGpu'] = () => Promise.resolve(navigatorGpu() ?? null)

export const mayHaveGpu: Platform['mayHaveGpu'] = (isRegistered) => isRegistered && navigatorGpu() !== undefined

export const provideWebgpu: Platform['provideWebgpu'] = () => Promise.resolve()

export const importOptional: Platform['importOptional'] = (name) =>
  Promise.reject(new Error(`a page imports ${name} by itself`))

export const startThread: Platform['startThread'] = (source, url, { message, ended }) => {
  const own = url === undefined ? URL.createObjectURL(new Blob([source], { type: 'text/javascript' })) : null
  const worker = new Worker(own ?? (url as string)) // one of them is there
  let hasEnded = false
  const end = (): void => {
    hasEnded = true
    worker.terminate()
    if (own !== null) URL.revokeObjectURL(own)
  }
  worker.onmessage = ({ data }) => {
    if (!hasEnded) message(data)
  }
  worker.onerror = (event) => {
    if (hasEnded) return
    end()
    ended(event.message || 'the page does not allow its script, or it was not found')
  }
  return {
    post: (data) => worker.postMessage(data),
    hold: () => {},
    release: () => {},
    end: async () => end(),
  }
}

export const canShareMemory: Platform['canShareMemory'] = () => globalThis.crossOriginIsolated === true

export const coreCount: Platform['coreCount'] = () => globalThis.navigator?.hardwareConcurrency ?? 1

/** Browsers have no flag that a page can set. */
export const allowRelaxedSimd: Platform['allowRelaxedSimd'] = () => {}

export const compileWasm: Platform['compileWasm'] = (bytes) => WebAssembly.compile(bytes)

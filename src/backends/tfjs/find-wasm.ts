/**
 * Finds the .wasm files of tfjs in a page. Bundlers do not copy them, and tfjs looks only beside classic scripts, so a program of modules must set
 * their place. This file tries the usual places first. It imports nothing from tfjs.
 */

/** One of the three files in the package's `dist`. */
const wasmName = 'tfjs-backend-wasm-simd.wasm'

export interface FoundWasm {
  /** Ends in a slash; null if they are in none of the places. */
  readonly folder: string | null
  /** The places, in order. */
  readonly places: readonly string[]
}

/** Looks beside this script, beside the page and at the root of its site. In Node it looks nowhere, because the package finds its files. */
export const findWasm = async (): Promise<FoundWasm> => {
  const places = wasmPlaces()
  for (const folder of places) if (await isWasm(new URL(wasmName, folder))) return { folder, places }
  return { folder: null, places }
}

/** The hint if they were not found. */
export const serveHint = (places: readonly string[]): string =>
  `serve the .wasm files of node_modules/@tensorflow/tfjs-backend-wasm/dist at ${places.join(' or ')}, or say where they lie: createTfjsBackend({ wasmPaths }), see docs/bundlers.md`

interface Page {
  readonly document?: { readonly baseURI?: string }
  readonly location?: { readonly href?: string }
}

const wasmPlaces = (): readonly string[] => {
  const { document, location } = globalThis as Page
  // A worker has no document; its location is that of its script.
  const page = document?.baseURI ?? location?.href
  if (page === undefined || !/^https?:/.test(page)) return []
  // Classic scripts have no import.meta.url.
  const script: string | undefined = import.meta.url
  const places = [
    script === undefined ? null : new URL('./', new URL(script, page)),
    new URL('./', page),
    new URL('/', page),
  ]
  return [...new Set(places.flatMap((url) => (url === null || !url.protocol.startsWith('http') ? [] : [url.href])))]
}

const magic = [0, 0x61, 0x73, 0x6d] // "\0asm"

/** Checks the content, because some servers answer requests for missing files with a page. */
const isWasm = async (url: URL): Promise<boolean> => {
  try {
    const response = await fetch(url)
    if (!response.ok) return false
    const reader = response.body?.getReader()
    const start = (await reader?.read())?.value
    await reader?.cancel()
    return magic.every((byte, i) => start?.[i] === byte)
  } catch {
    return false // nobody answers, or the page's policy forbids the place
  }
}

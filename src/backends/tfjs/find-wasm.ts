/**
 * Where a page has the .wasm files of tfjs. No bundler puts them anywhere by itself, and tfjs looks beside classic scripts only: a program of
 * modules has to be told. So the usual places are looked at first. What is here imports nothing of tfjs.
 */

/** One of the three files that lie together in the package's `dist`. */
const wasmName = 'tfjs-backend-wasm-simd.wasm'

export interface FoundWasm {
  /** Ends in a slash; null where they are in none of the places. */
  readonly folder: string | null
  /** The places, in order. */
  readonly places: readonly string[]
}

/** Looks beside this script, beside the page and at the root of its site; in Node, where the package knows its own files, nowhere. */
export const findWasm = async (): Promise<FoundWasm> => {
  const places = wasmPlaces()
  for (const folder of places) if (await isWasm(new URL(wasmName, folder))) return { folder, places }
  return { folder: null, places }
}

/** What to do where they were not found. */
export const serveHint = (places: readonly string[]): string =>
  `serve the .wasm files of node_modules/@tensorflow/tfjs-backend-wasm/dist at ${places.join(' or ')}, or say where they lie: createTfjsBackend({ wasmPaths }), see docs/bundlers.md`

interface Page {
  readonly document?: { readonly baseURI?: string }
  readonly location?: { readonly href?: string }
}

const wasmPlaces = (): readonly string[] => {
  const { document, location } = globalThis as Page
  // A worker has no document; its location is its script's.
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

/** By content: servers answer for missing files with a page, too. */
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

/** Where weights come from: the bytes of a source. */
import { readFile, writeFileAtomic } from '#platform'
import { EffuseError } from '../ir/diagnostics.ts'
import type { WebBlob, WebResponse, WebUrl } from '../ir/web-types.ts'

/** A file's path (Node), a URL, the result of fetch or of an input element, or the bytes. */
export type WeightsSource = string | WebUrl | WebBlob | WebResponse | Uint8Array | ArrayBuffer

/** All bytes of a source. @throws EffuseError EF501 if it cannot be read */
export const readSource = async (source: WeightsSource): Promise<Uint8Array> => {
  if (source instanceof Uint8Array) return source
  if (source instanceof ArrayBuffer) return new Uint8Array(source)
  if (source instanceof Blob) return new Uint8Array(await source.arrayBuffer())
  if (source instanceof Response) return bytesOfResponse(source)
  if (source instanceof URL && source.protocol !== 'file:') return bytesOfResponse(await fetched(source))
  if (typeof source === 'string' || source instanceof URL) return readFile(source)
  throw new EffuseError({
    code: 'EF501',
    message: `weights are read from a path, a URL, a Blob, a Response or bytes, got ${source === null ? 'null' : typeof source}`,
  })
}

const fetched = async (url: URL): Promise<Response> => {
  try {
    return await fetch(url)
  } catch (error) {
    throw new EffuseError({
      code: 'EF501',
      message: `${url.href} cannot be fetched: ${error instanceof Error ? error.message : String(error)}`,
      cause: error,
    })
  }
}
const bytesOfResponse = async (response: Response): Promise<Uint8Array> => {
  if (!response.ok)
    throw new EffuseError({
      code: 'EF501',
      message: `${response.url || 'the response'}: the server answered ${response.status} ${response.statusText}`,
    })
  return new Uint8Array(await response.arrayBuffer())
}

/** The name of a source in messages. */
export const sourceName = (source: WeightsSource): string | undefined =>
  typeof source === 'string'
    ? source
    : source instanceof URL
      ? source.href
      : source instanceof Response
        ? source.url || undefined
        : undefined

/** Atomic: temporary file, then rename. @throws EffuseError EF501 */
export const writeFileSafely = writeFileAtomic

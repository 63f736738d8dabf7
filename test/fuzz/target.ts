/** A fuzz target: a generator of cases, and a function that runs one case. */
import type { Arbitrary } from 'fast-check'

export interface FuzzTarget<T> {
  readonly name: string
  /** A description of the input. */
  readonly summary: string
  readonly cases: Arbitrary<T>
  /** Reads the case, and checks the result. An EffuseError means that the case was rejected. Any other exception, and `wrong()`, is a finding. */
  readonly attempt: (given: T) => unknown
  /** The file format of a case. */
  readonly file: FileForm<T>
  /** The smallest share of cases that must be accepted. A smaller share would mean that few cases pass the first check. */
  readonly acceptedLeast: number
}

interface FileForm<T> {
  readonly extension: 'txt' | 'bin' | 'json'
  readonly write: (given: T) => Uint8Array
  readonly read: (bytes: Uint8Array) => T
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
const textOf = (bytes: Uint8Array): string => new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)

export const textFile: FileForm<string> = { extension: 'txt', write: utf8, read: textOf }
export const bytesFile: FileForm<Uint8Array> = { extension: 'bin', write: (bytes) => bytes, read: (bytes) => bytes }
/** Several texts. */
export const wordsFile: FileForm<readonly string[]> = {
  extension: 'json',
  write: (words) => utf8(JSON.stringify(words, null, 2)),
  read: (bytes) => JSON.parse(textOf(bytes)) as readonly string[], // written by write()
}

/** Reports a case that was accepted with a wrong result. */
export const wrong = (message: string): never => {
  throw new Error(message)
}

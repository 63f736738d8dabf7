/** A fuzz target: cases, and a function that tries one of them. */
import type { Arbitrary } from 'fast-check'

export interface FuzzTarget<T> {
  readonly name: string
  /** What is fed, in words. */
  readonly summary: string
  readonly cases: Arbitrary<T>
  /**
   * Reads the case, and checks what came of it. An EffuseError means that the case was refused. Whatever else it throws, and `wrong()`, is
   * a finding.
   */
  readonly attempt: (given: T) => unknown
  /** How a case is kept in a file. */
  readonly file: FileForm<T>
  /** The least share of cases that is accepted: fewer would mean that the generator seldom gets past the first check. */
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
  read: (bytes) => JSON.parse(textOf(bytes)) as readonly string[], // write() made it
}

/** Something that was accepted, and is not right. */
export const wrong = (message: string): never => {
  throw new Error(message)
}

/**
 * Checksums of the safetensors files that effuse writes. The metadata has one checksum for each tensor: the CRC-32 of its type, `float32[3,3,1,8]`
 * in UTF-8, and its bytes. It also has one for each text of the metadata, such as the state of a run. Checksums detect damage, not forgery.
 */
import { EffuseError } from '../ir/diagnostics.ts'
import { crc32 } from './crc32.ts'
import { fileLabel, quote, showTensor } from './message-text.ts'
import { checksumsKey, formatKey } from './own-metadata.ts'
import { readSafetensors, type SafetensorsFile, writeSafetensors } from './safetensors.ts'
import type { TensorEntry } from './tensor-entry.ts'

type Texts = ReadonlyMap<string, string>

/** Files of this format have checksums; those of '1' have none. */
const format = '2'

/** Writes a safetensors file with checksums, and marks it as written by effuse. */
export const writeOwnFile = (
  tensors: readonly TensorEntry[],
  metadata: { readonly [key: string]: string },
): Uint8Array<ArrayBuffer> => {
  const { [checksumsKey]: _, ...others } = metadata // drops the checksums of the source file
  const texts = { ...others, [formatKey]: format }
  const sums = {
    tensors: sorted(tensors.map((tensor) => [tensor.name, sumOfTensor(tensor)])),
    texts: sorted(Object.entries(texts).map(([key, text]) => [key, sumOfText(text)])),
  }
  return writeSafetensors(tensors, { ...texts, [checksumsKey]: JSON.stringify(sums) })
}

/** Sorts by UTF-16 code units, so that equal content gives equal bytes in any order. */
const sorted = (sums: readonly (readonly [string, string])[]): { readonly [name: string]: string } =>
  Object.fromEntries([...sums].sort(([a], [b]) => (a < b ? -1 : 1)))

/**
 * Reads a safetensors file, and checks one that effuse wrote against its checksums.
 *
 * @param verify false accepts a file that another program has changed.
 * @throws EffuseError EF503 (not safetensors), EF509 (the file has changed since effuse wrote it)
 */
export const readVerified = (bytes: Uint8Array, fileName?: string, verify = true): SafetensorsFile => {
  const file = readSafetensors(bytes, fileName)
  const changes = verify ? changesIn(file) : []
  if (changes.length === 0) return file
  const shown = changes.slice(0, shownChanges)
  const more = changes.length > shownChanges ? [`and ${changes.length - shownChanges} more`] : []
  throw new EffuseError({
    code: 'EF509',
    message: `${fileLabel(fileName)} has changed since effuse wrote it:\n  ${[...shown, ...more].join('\n  ')}`,
    hint: 'use an undamaged copy; if another program changed the file on purpose, openModel(file, { verify: false }) and --no-verify on the command line accept it',
  })
}
const shownChanges = 9

const sumOfTensor = ({ dtype, shape, bytes }: TensorEntry): string =>
  hex(crc32(bytes, crc32(utf8(`${dtype}[${shape.join(',')}]`))))
const sumOfText = (text: string): string => hex(crc32(utf8(text)))
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
const hex = (sum: number): string => sum.toString(16).padStart(8, '0')

/** The changes, one line each. Files of other programs, and of effuse before format 2, have no checksums and so no changes. */
const changesIn = ({ tensors, metadata }: SafetensorsFile): readonly string[] => {
  const text = metadata.get(checksumsKey)
  const written = metadata.get(formatKey)
  if (text === undefined) return written === undefined || written === '1' ? [] : ['its checksums are missing']
  const sums = sumsIn(text)
  if (sums === null) return ['its checksums are damaged']
  const found = new Map([...tensors].map(([name, tensor]) => [name, sumOfTensor(tensor)]))
  // Other programs may add texts of their own.
  const isOurs = (key: string): boolean => key.startsWith('effuse.') && key !== checksumsKey
  const texts = new Map(
    [...metadata].flatMap(([key, value]) => (sums.texts.has(key) || isOurs(key) ? [[key, sumOfText(value)]] : [])),
  )
  return [
    ...differences('tensor', sums.tensors, found, (name) => {
      const tensor = tensors.get(name)
      return tensor === undefined ? '' : ` ${showTensor(tensor.dtype, tensor.shape)}`
    }),
    ...differences('the metadata', sums.texts, texts, () => ''),
  ]
}

const differences = (what: string, were: Texts, are: Texts, typeOf: (name: string) => string): readonly string[] => [
  ...[...were].flatMap(([name, sum]) => {
    const now = are.get(name)
    if (now === sum) return []
    const how = now === undefined ? 'is gone' : `has the checksum ${now}, it had ${sum}`
    return [`${what} ${quote(name)}${typeOf(name)} ${how}`]
  }),
  ...[...are.keys()].flatMap((name) => (were.has(name) ? [] : [`${what} ${quote(name)}${typeOf(name)} is new`])),
]

const sumsIn = (text: string): { readonly tensors: Texts; readonly texts: Texts } | null => {
  try {
    const { tensors, texts } = JSON.parse(text) as { readonly tensors?: object; readonly texts?: object } // other JSON throws or fails below
    return tensors === undefined || texts === undefined
      ? null
      : { tensors: new Map(Object.entries(tensors)), texts: new Map(Object.entries(texts)) }
  } catch {
    return null
  }
}

/** Safetensors: headers as JSON with damaged values, inconsistent lengths and data, and damaged bytes. */
import fc, { type Arbitrary } from 'fast-check'
import { readVerified, writeOwnFile } from '../../../src/io/checksums.ts'
import { recognizeWeights } from '../../../src/io/recognize.ts'
import { safetensorsDTypes } from '../../../src/io/safetensors-header.ts'
import { readSafetensors, writeSafetensors } from '../../../src/io/safetensors.ts'
import { type FileDType, itemBytes } from '../../../src/io/tensor-entry.ts'
import { bytesOfText, concat } from '../../io/support.ts'
import { damagedBytes, damagedJson } from '../mutations.ts'
import { bytesFile, type FuzzTarget, wrong } from '../target.ts'
import { checkTensors } from './files.ts'

const name = fc.constantFrom('w', 'head/dense/bias', '__metadata__', '__proto__', 'constructor', '', 'é\u2028', 'a"b')
const shape = fc.array(fc.nat(3), { maxLength: 3 })
const entry = fc.record({ name, dtype: fc.constantFrom(...safetensorsDTypes.keys()), shape })
type Entry = { readonly name: string; readonly dtype: string; readonly shape: readonly number[] }

const bytesOf = ({ dtype, shape: sizes }: Entry): number =>
  sizes.reduce((product, size) => product * size, 1) * itemBytes[safetensorsDTypes.get(dtype) as FileDType] // its keys

/** A valid header as text, and the number of bytes that it describes. */
const header = fc
  .tuple(
    fc.uniqueArray(entry, { maxLength: 4, selector: (e) => e.name }),
    fc.dictionary(name, fc.string({ maxLength: 8 }), { maxKeys: 2 }),
  )
  .map(([entries, metadata]) => {
    let end = 0
    const tensors = entries
      .filter((e) => e.name !== '__metadata__')
      .map((e) => {
        const begin = end
        end += bytesOf(e)
        return `${JSON.stringify(e.name)}: {"dtype": "${e.dtype}", "shape": [${e.shape.join(', ')}], "data_offsets": [${begin}, ${end}]}`
      })
    const texts = Object.keys(metadata).length === 0 ? [] : [`"__metadata__": ${JSON.stringify(metadata)}`]
    return { text: `{${[...texts, ...tensors].join(', ')}}`, bytes: end }
  })

const dtypeWords = ['"F64"', '"F8"', '"BOOL"', '[1, 2]', '[18014398509481984, 0]', '[0, 4294967296]', '"__metadata__"']
const fileOf = (text: string, dataBytes: number, lengthOff: number): Uint8Array => {
  const bytes = bytesOfText(text)
  const length = new Uint8Array(8)
  new DataView(length.buffer).setBigInt64(0, BigInt(bytes.length + lengthOff), true)
  return concat(length, bytes, new Uint8Array(dataBytes).fill(7))
}
/** Mostly 0. */
const off = fc.oneof(
  { weight: 8, arbitrary: fc.constant(0) },
  { weight: 1, arbitrary: fc.integer({ min: -9, max: 9 }) },
)

const byHand: Arbitrary<Uint8Array> = header.chain(({ text, bytes }) =>
  fc
    .tuple(damagedJson(fc.constant(text), dtypeWords), off, off)
    .map(([damaged, more, lengthOff]) => fileOf(damaged, Math.max(0, bytes + more), lengthOff)),
)
/** Files of effuse, with checksums. */
const own: Arbitrary<Uint8Array> = fc
  .tuple(
    fc.uniqueArray(
      entry.filter((e) => e.name !== '__metadata__'),
      { maxLength: 3, selector: (e) => e.name },
    ),
    fc.dictionary(name, fc.string({ maxLength: 8 }), { maxKeys: 2 }),
  )
  .map(([entries, metadata]) =>
    writeOwnFile(
      entries.map((e) => ({
        name: e.name,
        dtype: safetensorsDTypes.get(e.dtype) as FileDType, // its keys
        shape: e.shape,
        bytes: new Uint8Array(bytesOf(e)).fill(1),
      })),
      metadata,
    ),
  )

export const safetensors: FuzzTarget<Uint8Array> = {
  name: 'safetensors',
  summary: 'safetensors files',
  cases: damagedBytes(fc.oneof({ weight: 3, arbitrary: byHand }, { weight: 1, arbitrary: own })),
  file: bytesFile,
  acceptedLeast: 0.15,
  attempt: (bytes) => {
    recognizeWeights(bytes)
    const file = readVerified(bytes, 'a.safetensors')
    checkTensors(file.tensors)
    const again = readSafetensors(writeSafetensors(file.tensors.values(), file.metadata))
    if (again.tensors.size !== file.tensors.size || again.metadata.size !== file.metadata.size)
      wrong('what was written of it holds another number of tensors or texts')
  },
}

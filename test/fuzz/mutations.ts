/** Damages valid cases: texts by token, JSON by value, bytes by position. Shrinking removes the damage. */
import fc, { type Arbitrary } from 'fast-check'

type Edit = readonly [kind: number, at: number, other: number, word: string]

const editsOf = (words: readonly string[], editsMax: number): Arbitrary<readonly Edit[]> =>
  fc.array(fc.tuple(fc.nat(5), fc.nat(100_000), fc.nat(100_000), fc.constantFrom(...words)), { maxLength: editsMax })

/** About half of the cases stay valid. */
const some = <T>(edits: Arbitrary<readonly T[]>): Arbitrary<readonly T[]> =>
  fc.oneof({ weight: 1, arbitrary: fc.constant<readonly T[]>([]) }, { weight: 1, arbitrary: edits })

/** Words that are inserted into any text. */
const anyWords = [
  '',
  ' ',
  '\n',
  '"',
  '\\',
  '\u0000',
  '\u001b[2J',
  '\u202e',
  '__proto__',
  'constructor',
  'toString',
  '-1',
  '0',
  '1e400',
  '9007199254740993',
  '4294967296',
  '0.5',
  'NaN',
] as const

const tokens = /"(?:[^"\\\n]|\\.)*"|[\w.-]+|\s+|./gsu

/** Omits, repeats and exchanges tokens of a text, and replaces them by words. */
export const damagedText = (base: Arbitrary<string>, words: readonly string[], editsMax = 3): Arbitrary<string> =>
  fc.tuple(base, some(editsOf([...anyWords, ...words], editsMax))).map(([text, edits]) => {
    if (edits.length === 0) return text
    const parts: string[] = text.match(tokens) ?? []
    for (const [kind, at, other, word] of edits) {
      const [i, j] = [at % (parts.length + 1), other % (parts.length + 1)]
      const [a = '', b = ''] = [parts[i], parts[j]]
      if (kind === 0) parts.splice(i, 1)
      else if (kind === 1) parts.splice(i, 0, a)
      else if (kind === 2) [parts[i], parts[j]] = [b, a]
      else if (kind === 3) parts.splice(i, Math.min(20, Math.abs(j - i)))
      else if (kind === 4) parts[i] = word
      else parts.splice(i, 0, word)
    }
    return parts.join('')
  })

const jsonTokens = /"(?:[^"\\\n]|\\.)*"|-?\d[\d.eE+-]*|true|false|null|\[\]|\{\}/g

/** JSON values that are difficult for readers. */
export const jsonWords = [
  'null',
  'true',
  '-1',
  '0',
  '-0',
  '0.5',
  '1e308',
  '1e400',
  '4294967296',
  '9007199254740991',
  '9007199254740993',
  '""',
  '"__proto__"',
  '"constructor"',
  '"\\u0000"',
  '"\\u001b[2J"',
  '"\\ud800"',
  '[]',
  '{}',
  '[null]',
  '[[[[[[]]]]]]',
  '{"__proto__": {"polluted": true}}',
  '{"constructor": {"prototype": {"polluted": true}}}',
  '{"number": "NaN"}',
  '{"length": 4294967295}',
  `"${'long '.repeat(1000)}"`,
] as const

/** Replaces values and keys of a JSON text; then damages some of its tokens. */
export const damagedJson = (base: Arbitrary<string>, words: readonly string[] = []): Arbitrary<string> => {
  const all = [...jsonWords, ...words]
  const replaced = fc.tuple(base, some(editsOf(all, 2))).map(([text, edits]) =>
    edits.reduce((sofar, [kind, at, other, word]) => {
      const found = [...sofar.matchAll(jsonTokens)]
      const [hit, donor] = [found[at % Math.max(1, found.length)], found[other % Math.max(1, found.length)]]
      if (hit === undefined) return sofar
      const [rest, put] = [sofar.slice(hit.index + hit[0].length), kind < 2 ? (donor?.[0] ?? word) : word]
      return sofar.slice(0, hit.index) + put + rest
    }, text),
  )
  return fc.oneof({ weight: 4, arbitrary: replaced }, { weight: 1, arbitrary: damagedText(replaced, all, 2) })
}

/** Numbers that replace sizes and offsets. */
const sizes = [0n, 1n, 0x7fn, 0xffn, 0xffffn, 0x7fffffffn, 0xffffffffn, 2n ** 31n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n]
type ByteEdit = readonly [kind: number, at: number, length: number, value: number]

/** Sets, omits, repeats and truncates bytes, and overwrites numbers of 2, 4 and 8 bytes. */
export const damagedBytes = (base: Arbitrary<Uint8Array>, editsMax = 4): Arbitrary<Uint8Array> =>
  fc
    .tuple(
      base,
      some(
        fc.array(fc.tuple(fc.nat(6), fc.nat(1_000_000), fc.nat(40), fc.nat(255)), {
          maxLength: editsMax,
        }) as Arbitrary<readonly ByteEdit[]>, // a tuple of four numbers
      ),
    )
    .map(([bytes, edits]) => edits.reduce(withByteEdit, bytes))

const withByteEdit = (bytes: Uint8Array, [kind, place, length, value]: ByteEdit): Uint8Array => {
  const at = place % (bytes.length + 1)
  const out = Uint8Array.from(bytes)
  if (kind === 0 && at < out.length) out[at] = value
  if (kind === 1) return Uint8Array.from([...out.subarray(0, at), ...out.subarray(at + length)])
  if (kind === 2) return Uint8Array.from([...out.subarray(0, at + length), ...out.subarray(at)])
  if (kind === 3) return out.slice(0, at)
  if (kind === 4) return Uint8Array.from([...out.subarray(0, at), value, ...out.subarray(at)])
  if (kind >= 5) {
    const width = [2, 4, 8][length % 3] ?? 4
    let number = sizes[value % sizes.length] ?? 0n
    for (let i = 0; i < width && at + i < out.length; i++, number >>= 8n) out[at + i] = Number(number & 0xffn)
  }
  return out
}

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readSafetensors, writeSafetensors } from '../../src/io/safetensors.ts'
import { type FileDType, itemBytes, type TensorEntry, toFloat32, toInt32 } from '../../src/io/tensor-entry.ts'
import { bytesOfText, concat, expectOnlyEffuseErrors, failure, golden, goldenJson } from './support.ts'

/** A file with any text as its header. */
const fileOf = (header: string | Uint8Array, data = new Uint8Array(0)): Uint8Array => {
  const text = typeof header === 'string' ? bytesOfText(header) : header
  const length = new Uint8Array(8)
  new DataView(length.buffer).setBigUint64(0, BigInt(text.length), true)
  return concat(length, text, data)
}

const dtypes = Object.keys(itemBytes) as FileDType[]

const anyEntry = (names: fc.Arbitrary<string>): fc.Arbitrary<TensorEntry> =>
  fc
    .record({
      name: names,
      dtype: fc.constantFrom(...dtypes),
      shape: fc.array(fc.nat(4), { maxLength: 4 }),
      fill: fc.nat(255),
    })
    .map(({ name, dtype, shape, fill }) => ({
      name,
      dtype,
      shape,
      bytes: new Uint8Array(shape.reduce((a, b) => a * b, 1) * itemBytes[dtype]).map((_, i) => (fill + 31 * i) & 255),
    }))

/** Names of other programs: Unicode without lone surrogates, quotes and control characters, and names of object prototype properties. */
const anyName = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.constantFrom(
    '__proto__',
    'constructor',
    'toString',
    'hasOwnProperty',
    '',
    '__metadata',
    'blocks.0/se/reduce/kernel',
    '"\\\n\u0000\u2028',
  ),
)

describe('writeSafetensors and readSafetensors', () => {
  test('preserve every name, dtype, shape, byte and metadata text', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(anyEntry(anyName), { selector: ({ name }) => name, maxLength: 6 }),
        fc.dictionary(anyName, fc.string({ unit: 'binary' }), { maxKeys: 4 }),
        (entries, texts) => {
          const metadata = new Map(Object.entries(texts))
          const bytes = writeSafetensors(entries, metadata)
          const file = readSafetensors(bytes)
          expect(
            new Map([...file.tensors].map(([name, entry]) => [name, { ...entry, bytes: [...entry.bytes] }])),
          ).toEqual(new Map(entries.map((entry) => [entry.name, { ...entry, bytes: [...entry.bytes] }])))
          expect(file.metadata).toEqual(metadata)
          // Each tensor can be viewed as its own element type.
          for (const { dtype, bytes: view } of file.tensors.values()) expect(view.byteOffset % itemBytes[dtype]).toBe(0)
        },
      ),
    )
  })

  test('the bytes do not depend on the order of the content', () => {
    fc.assert(
      fc.property(fc.uniqueArray(anyEntry(anyName), { selector: ({ name }) => name, maxLength: 6 }), (entries) => {
        const backwards = writeSafetensors(entries.toReversed(), { b: '2', a: '1' })
        expect(backwards).toEqual(writeSafetensors(entries, { a: '1', b: '2' }))
      }),
    )
  })

  test('metadata named __proto__ is ordinary text', () => {
    const metadata = new Map([['__proto__', 'kept']])
    expect(readSafetensors(writeSafetensors([], metadata)).metadata).toEqual(metadata)
    expect(readSafetensors(writeSafetensors([], { ['__proto__']: 'kept' })).metadata).toEqual(metadata)
  })

  test('reads files of the Python library', () => {
    const bytes = golden('io/python.safetensors')
    const file = readSafetensors(bytes)
    const truth = goldenJson('io/python.json') as {
      tensors: Record<string, { dtype: string; shape: number[]; values: (number | string)[] }>
      metadata: Record<string, string>
    }
    expect(Object.fromEntries(file.metadata)).toEqual(truth.metadata)
    expect([...file.tensors.keys()].toSorted()).toEqual(Object.keys(truth.tensors).toSorted())
    for (const [name, { dtype, shape, values }] of Object.entries(truth.tensors)) {
      const entry = file.tensors.get(name)
      if (entry === undefined) throw new Error(name)
      expect({ name: entry.name, dtype: entry.dtype, shape: entry.shape }).toEqual({ name, dtype, shape })
      expect([...(/float/.test(dtype) ? toFloat32(entry) : toInt32(entry))]).toEqual(values.map(Number))
    }
  })

  test('a file without tensors', () => {
    expect(readSafetensors(fileOf('{}')).tensors.size).toBe(0)
    expect(readSafetensors(writeSafetensors([])).tensors.size).toBe(0)
  })

  test.each([
    ['__metadata__', 'EF501', 'cannot write safetensors: a tensor is named "__metadata__", which the format reserves'],
    [
      'half \ud800',
      'EF501',
      'cannot write safetensors: the text "half \\ud800" has half of a surrogate pair, which UTF-8 cannot encode',
    ],
  ])('the writer rejects the name %j', (name, code, message) => {
    const bytes = new Uint8Array(4)
    expect(failure(() => writeSafetensors([{ name, dtype: 'float32', shape: [], bytes }]))).toMatchObject({
      code,
      message,
    })
  })

  test('the writer rejects two tensors of one name, and bytes that do not match the shape', () => {
    const entry: TensorEntry = { name: 'a', dtype: 'float32', shape: [2], bytes: new Uint8Array(8) }
    expect(failure(() => writeSafetensors([entry, entry])).message).toContain('two tensors are named "a"')
    expect(failure(() => writeSafetensors([{ ...entry, shape: [3] }])).message).toContain(
      'tensor "a" is float32[3] and has 8 bytes',
    )
  })
})

describe('a hostile or corrupt file is rejected with one paragraph: the fault, its place and the fix', () => {
  const f32 = (begin: number, end: number, shape = '1'): string =>
    `{"dtype":"F32","shape":[${shape}],"data_offsets":[${begin},${end}]}`
  const four = new Uint8Array(4)
  const huge = fileOf('{}')
  huge.fill(0xff, 0, 8)
  const tooLong = fileOf('{}')
  tooLong[1] = 1

  test.each<[string, Uint8Array, string]>([
    [
      'no byte at all',
      new Uint8Array(0),
      'expected the length of the header in the first 8 bytes, the file has 0 bytes',
    ],
    ['seven bytes', new Uint8Array(7), 'expected the length of the header in the first 8 bytes, the file has 7 bytes'],
    [
      'header of 2^64 - 1 bytes',
      huge,
      'bytes 0 to 7 say that the header has 18,446,744,073,709,551,615 bytes; at most 100,000,000 are allowed',
    ],
    ['header past the end', tooLong, 'bytes 0 to 7 say that the header has 258 bytes, but only 2 bytes follow'],
    ['empty header', fileOf(''), 'the header must begin with "{" at byte 8, but it is empty'],
    ['header that is a list', fileOf('[]'), 'the header must begin with "{" at byte 8, but byte 0x5b is there'],
    ['header after a space', fileOf(' {}'), 'the header must begin with "{" at byte 8, but byte 0x20 is there'],
    ['byte order mark', fileOf('\ufeff{}'), 'the header must begin with "{" at byte 8, but byte 0xef is there'],
    [
      'invalid UTF-8',
      fileOf(Uint8Array.of(0x7b, 0x22, 0xc3, 0xa9, 0xff, 0x22)),
      'the header must be UTF-8 text, at byte 12 it is not',
    ],
    ['cut UTF-8', fileOf(Uint8Array.of(0x7b, 0x22, 0xe2, 0x82)), 'the header must be UTF-8 text, at byte 10 it is not'],
    [
      'UTF-8 of a surrogate',
      fileOf(Uint8Array.of(0x7b, 0x22, 0xed, 0xa0, 0x80, 0x22)),
      'the header must be UTF-8 text, at byte 10 it is not',
    ],
    ['cut JSON', fileOf('{"a":'), 'the header must be JSON: the JSON ends too early, at byte 13'],
    ['cut text', fileOf('{"é":1,"a'), 'the header must be JSON: a text has no closing quote, at byte 16'],
    ['trailing comma', fileOf('{"a":1,}'), 'the header must be JSON: expected a key in double quotes, at byte 15'],
    ['missing comma', fileOf('{"a":1 "b":2}'), 'the header must be JSON: expected a comma or }, at byte 15'],
    ['missing colon', fileOf('{"a" 1}'), 'the header must be JSON: expected a colon after the key, at byte 13'],
    ['no value', fileOf('{"a":x}'), 'the header must be JSON: expected a JSON value, at byte 13'],
    [
      'raw newline in a text',
      fileOf('{"a\n":1}'),
      'the header must be JSON: a text has a control character or an unknown escape, at byte 9',
    ],
    [
      'unknown escape',
      fileOf('{"\\x41":1}'),
      'the header must be JSON: a text has a control character or an unknown escape, at byte 9',
    ],
    [
      'half a surrogate pair',
      fileOf('{"\\ud800":1}'),
      'the header must be JSON: a text has half of a surrogate pair, at byte 9',
    ],
    [
      'something after the header',
      fileOf('{}{}'),
      'the header must be JSON: only spaces may follow the closing brace, at byte 10',
    ],
    [
      'zeros as padding',
      fileOf('{}\0'),
      'the header must be JSON: only spaces may follow the closing brace, at byte 10',
    ],
    [
      'deep nesting',
      fileOf(`{"a":${'['.repeat(100_000)}`),
      'the header must be JSON: more than 16 levels of brackets, at byte 29',
    ],
    [
      'a tensor twice',
      fileOf(`{"a":${f32(0, 4)},"a":${f32(0, 4)}}`, four),
      'the header must be JSON: the key "a" occurs twice in one object, at byte 62',
    ],
    [
      'a tensor twice, once escaped',
      fileOf(`{"a":${f32(0, 4)},"\\u0061":${f32(0, 4)}}`, four),
      'the key "a" occurs twice in one object, at byte 62',
    ],
    [
      '__proto__ twice',
      fileOf('{"__proto__":{},"__proto__":{}}'),
      'the key "__proto__" occurs twice in one object, at byte 24',
    ],
    [
      'dtype twice',
      fileOf('{"a":{"dtype":"F32","dtype":"F64","shape":[],"data_offsets":[0,4]}}', four),
      'the key "dtype" occurs twice in one object, at byte 28',
    ],
    ['metadata is a list', fileOf('{"__metadata__":[]}'), '__metadata__ must be an object of texts, it is a list'],
    [
      'metadata holds a number',
      fileOf('{"__metadata__":{"epoch":7}}'),
      '__metadata__ may contain only texts; "epoch" is 7',
    ],
    [
      'tensor is a number',
      fileOf('{"a":1}'),
      'tensor "a" must be an object with dtype, shape and data_offsets, it is 1',
    ],
    [
      'tensor is null',
      fileOf('{"constructor":null}'),
      'tensor "constructor" must be an object with dtype, shape and data_offsets, it is null',
    ],
    ['no dtype', fileOf('{"a":{"shape":[],"data_offsets":[0,4]}}', four), 'tensor "a" has no dtype'],
    ['no shape', fileOf('{"a":{"dtype":"F32","data_offsets":[0,4]}}', four), 'tensor "a" has no shape'],
    ['no offsets', fileOf('{"a":{"dtype":"F32","shape":[]}}', four), 'tensor "a" has no data_offsets'],
    [
      'unknown key',
      fileOf('{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4],"strides":[1]}}', four),
      'tensor "a" has the unknown key "strides"; dtype, shape and data_offsets are allowed',
    ],
    [
      'dtype of no text',
      fileOf('{"a":{"dtype":true,"shape":[],"data_offsets":[0,4]}}', four),
      'the dtype of tensor "a" must be a text, it is true',
    ],
    [
      'unknown dtype',
      fileOf('{"a":{"dtype":"F8_E4M3","shape":[],"data_offsets":[0,1]}}'),
      'tensor "a" has dtype "F8_E4M3"; effuse reads F64, F32, F16, BF16, I64, I32, I16, I8, U64, U32, U16, U8, BOOL',
    ],
    [
      'dtype that objects have',
      fileOf('{"a":{"dtype":"constructor","shape":[],"data_offsets":[0,1]}}'),
      'tensor "a" has dtype "constructor"; effuse reads F64',
    ],
    [
      'shape of no list',
      fileOf('{"a":{"dtype":"F32","shape":{},"data_offsets":[0,4]}}', four),
      'the shape of tensor "a" must be a list of whole numbers, it is an object',
    ],
    [
      'negative size',
      fileOf(`{"a":${f32(0, 4, '-1')}}`, four),
      'the shape of tensor "a" must hold whole numbers from 0 to 2^53 - 1, it holds -1',
    ],
    [
      'size with a fraction',
      fileOf(`{"a":${f32(0, 4, '1.0')}}`, four),
      'the shape of tensor "a" must hold whole numbers from 0 to 2^53 - 1, it holds 1.0',
    ],
    [
      'size with an exponent',
      fileOf(`{"a":${f32(0, 4, '1e0')}}`, four),
      'the shape of tensor "a" must hold whole numbers from 0 to 2^53 - 1, it holds 1e0',
    ],
    ['size of 2^53', fileOf(`{"a":${f32(0, 4, '9007199254740992')}}`, four), 'it holds 9007199254740992'],
    [
      'size as a text',
      fileOf(`{"a":${f32(0, 4, '"1"')}}`, four),
      'the shape of tensor "a" must hold whole numbers from 0 to 2^53 - 1, it holds the text "1"',
    ],
    [
      'product past 2^53',
      fileOf(`{"a":${f32(0, 4, '4294967296,4294967296')}}`, four),
      'tensor "a" has the shape float32[4294967296,4294967296], which takes more than 2^53 bytes',
    ],
    [
      'product past 2^53 with a zero',
      fileOf(`{"a":${f32(0, 0, '9007199254740991,9007199254740991,0')}}`),
      'which takes more than 2^53 bytes',
    ],
    [
      'product that wraps 64 bits',
      fileOf(`{"a":${f32(0, 0, '4294967296,1073741824')}}`),
      'which takes more than 2^53 bytes',
    ],
    [
      'too many dimensions',
      fileOf(`{"a":${f32(0, 4, Array(65).fill(1).join())}}`, four),
      'tensor "a" has 65 dimensions; at most 64 are allowed',
    ],
    [
      'one offset',
      fileOf('{"a":{"dtype":"F32","shape":[],"data_offsets":[4]}}', four),
      'data_offsets of tensor "a" must be [begin, end], it has 1 numbers',
    ],
    [
      'three offsets',
      fileOf('{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4,8]}}', four),
      'data_offsets of tensor "a" must be [begin, end], it has 3 numbers',
    ],
    ['offsets backwards', fileOf(`{"a":${f32(4, 0)}}`, four), 'data_offsets of tensor "a" run backwards: [4, 0]'],
    [
      'offset with a fraction',
      fileOf('{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4.5]}}', four),
      'data_offsets of tensor "a" must hold whole numbers from 0 to 2^53 - 1, it holds 4.5',
    ],
    [
      'bytes do not fit the shape',
      fileOf(`{"a":${f32(0, 4, '3,3')}}`, four),
      'tensor "a" is float32[3,3] and needs 36 bytes, its data_offsets [0, 4] hold 4 bytes',
    ],
    [
      'data cut short',
      fileOf(`{"a":${f32(0, 8, '2')}}`, four),
      'tensor "a" reaches to byte 8 of the data, but only 4 bytes of data follow the header',
    ],
    [
      'overlap',
      fileOf(`{"a":${f32(0, 8, '2')},"b":${f32(4, 8)}}`, new Uint8Array(8)),
      'tensors "a" and "b" overlap: one ends at byte 8 of the data, the other begins at 4',
    ],
    [
      'the same bytes twice',
      fileOf(`{"a":${f32(0, 4)},"b":${f32(0, 4)}}`, four),
      'tensors "a" and "b" overlap: one ends at byte 4 of the data, the other begins at 0',
    ],
    [
      'hole at the start',
      fileOf(`{"a":${f32(4, 8)}}`, new Uint8Array(8)),
      '4 bytes of the data before tensor "a", from byte 0, belong to no tensor',
    ],
    [
      'hole between',
      fileOf(`{"a":${f32(0, 4)},"b":${f32(8, 12)}}`, new Uint8Array(12)),
      '4 bytes of the data before tensor "b", from byte 4, belong to no tensor',
    ],
    [
      'bytes after the end',
      fileOf(`{"a":${f32(0, 4)}}`, new Uint8Array(5)),
      '1 byte after the last tensor, from byte 4 of the data, belong to no tensor',
    ],
  ])('%s', (_, bytes, message) => {
    const error = failure(() => readSafetensors(bytes, 'net.safetensors'))
    expect(error.code).toBe('EF503')
    expect(error.message).toMatch(/^net\.safetensors is not a valid safetensors file: /)
    expect(error.message).toContain(message)
    expect(error.message).not.toContain('\n')
    expect(error.hint).toBeTruthy()
  })

  test('too many tensors', () => {
    const header = `{${Array.from({ length: 250_002 }, (_, i) => `"${i}":0`).join()}}`
    expect(failure(() => readSafetensors(fileOf(header))).message).toBe(
      'the file is not a valid safetensors file: it holds 250,002 tensors; effuse reads up to 250,000',
    )
  })

  test('a long name or one with control characters cannot flood or steer the terminal', () => {
    const long = failure(() => readSafetensors(fileOf(`{"${'x'.repeat(1_000_000)}":1}`)))
    expect(long.message.length).toBeLessThan(300)
    const steering = failure(() => readSafetensors(fileOf('{"\\u001b[2J\\u202e\u009b":1}')))
    expect(steering.message).toContain('tensor "\\u001b[2J\\u202e\\u009b" must be')
    expect(failure(() => readSafetensors(new Uint8Array(0), 'a\u001b[2J')).message).toMatch(/^"a\\u001b\[2J" is not/)
  })

  test('a large header of many small entries needs little time and memory', () => {
    const started = performance.now()
    const before = process.memoryUsage().rss
    const zeros = failure(() => readSafetensors(fileOf(`{"a":[${'0,'.repeat(20_000_000)}`)))
    expect(zeros.message).toContain('the header must be JSON: more than 4,000,000 values, at byte 8,000,010')
    const newlines = failure(() => readSafetensors(fileOf(`{"${'\\n'.repeat(10_000_000)}":0}`)))
    expect(newlines.message).toContain('must be an object with dtype, shape and data_offsets, it is 0')
    failure(() => readSafetensors(fileOf(`{${' '.repeat(20_000_000)}`)))
    expect(performance.now() - started).toBeLessThan(20_000)
    expect(process.memoryUsage().rss - before).toBeLessThan(700e6)
  })
})

test('truncated and damaged files give only EffuseErrors', () => {
  const whole = golden('io/python.safetensors')
  expectOnlyEffuseErrors(whole, (bytes) => readSafetensors(bytes))
})

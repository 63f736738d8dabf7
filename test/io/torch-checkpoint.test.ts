import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type FileDType, itemBytes, toFloat32, toInt32 } from '../../src/io/tensor-entry.ts'
import { readTorchCheckpoint } from '../../src/io/torch-checkpoint.ts'
import { bytesOfText, concat, expectOnlyEffuseErrors, failure, golden, goldenJson } from './support.ts'
import {
  floats,
  int64,
  legacyCheckpoint,
  orderedDict,
  p,
  pickle,
  storage,
  type TensorSpec,
  tensor,
  type ZipEntry,
  zip,
  zipCheckpoint,
} from './torch-files.ts'

interface Truth {
  readonly tensors: {
    readonly [name: string]: {
      readonly dtype: FileDType
      readonly shape: readonly number[]
      readonly values: readonly number[]
    }
  }
}
const truth = goldenJson('efficientnet/pth/pth.json') as Truth

const state = (name: string, code: Uint8Array): Uint8Array => p.dict([p.text(name), code])
const numbersOf = (bytes: Uint8Array, name = 'a'): number[] => {
  const entry = readTorchCheckpoint(bytes).tensors.get(name)
  if (entry === undefined) throw new Error(`no tensor ${name}`)
  return [...toFloat32(entry)]
}

describe('files written by torch.save', () => {
  test.each(['zip', 'legacy'])('%s: strides, offsets, shared storages, half types, an empty tensor', (container) => {
    const { tensors, stateDict, others } = readTorchCheckpoint(golden(`efficientnet/pth/${container}.pth`))
    expect([...tensors.keys()]).toEqual(Object.keys(truth.tensors))
    expect({ stateDict, others }).toEqual({ stateDict: '', others: [] })
    for (const [name, { dtype, shape, values }] of Object.entries(truth.tensors)) {
      const entry = tensors.get(name)
      if (entry === undefined) throw new Error(name)
      expect({ name: entry.name, dtype: entry.dtype, shape: entry.shape }).toEqual({ name, dtype, shape })
      const bytes = Uint8Array.from(entry.bytes).buffer
      if (dtype === 'int64') expect([...new BigInt64Array(bytes)]).toEqual(values.map(BigInt))
      else if (dtype === 'float64') expect([...new Float64Array(bytes)]).toEqual(values)
      else expect([...toFloat32(entry)]).toEqual(values)
    }
  })

  test('a nested state dict beside other entries', () => {
    const { tensors, stateDict } = readTorchCheckpoint(golden('efficientnet/pth/wrapped.pth'))
    expect(stateDict).toBe('state_dict')
    expect([...tensors.keys()]).toEqual(['module.fc.bias'])
  })

  test("a training script's file: optimizer state, numbers, lists, a shape", () => {
    const { tensors, stateDict } = readTorchCheckpoint(golden('io/training.pth'))
    expect(stateDict).toBe('model')
    expect([...tensors].map(([name, entry]) => [name, entry.shape, [...toFloat32(entry)]])).toEqual([
      ['weight', [1, 2], [0.5, -2]],
      ['bias', [1], [3]],
    ])
  })

  test('parameters count as tensors', () => {
    expect([...readTorchCheckpoint(golden('io/parameters.pth')).tensors.keys()]).toEqual(['weight', 'bias'])
  })

  test.each([
    ['state_dict', 'state_dict_ema', ''],
    ['model', 'model_ema', ''],
    ['model', 'model_ema', 'module.'],
    ['raw', 'ema', ''],
    ['net', 'emaModel', 'model.'],
  ])('weights %s and their averages %s: the averages, unless asked otherwise', (raw, averages, prefix) => {
    const code = p.dict(
      [p.text(raw), p.dict([p.text('fc.weight'), tensor()])],
      [p.text('optimizer'), p.dict([p.text('state'), p.dict([p.text('fc.weight'), tensor()])])],
      [p.text(averages), p.dict([p.text(`${prefix}fc.weight`), tensor({ key: '1' })])],
    )
    const bytes = zipCheckpoint(code, [floats(1, 2, 3, 4), floats(5, 6, 7, 8)])
    const of = (weights?: 'raw' | 'averages') => {
      const { tensors, stateDict, taken, available, notes } = readTorchCheckpoint(bytes, { weights })
      return { values: [...tensors.values()].map((entry) => [...toFloat32(entry)]), stateDict, taken, available, notes }
    }
    const available = ['raw', 'averages']
    const averaged = { values: [[5, 6, 7, 8]], stateDict: averages, taken: 'averages', available }
    expect(of('averages')).toEqual({ ...averaged, notes: [] })
    expect(of()).toEqual({
      ...averaged,
      notes: [`the file has weights, "${raw}", and their averages, "${averages}"; effuse uses the averages`],
    })
    expect(of('raw')).toEqual({ values: [[1, 2, 3, 4]], stateDict: raw, taken: 'raw', available, notes: [] })
  })

  test.each([
    ['model', 'model_ema', 'model_ema.'],
    ['model', 'model_ema', 'model_ema.module.'],
    ['', 'ema', 'ema.'],
  ])('the same in one flat dict: "%s" and "%s"', (raw, averages, prefix) => {
    const code = p.dict(
      [p.text(raw === '' ? 'fc.weight' : `${raw}.fc.weight`), tensor()],
      [p.text(`${prefix}fc.weight`), tensor({ key: '1' })],
    )
    const bytes = zipCheckpoint(code, [floats(1, 2, 3, 4), floats(5, 6, 7, 8)])
    const of = (weights?: 'raw' | 'averages') => {
      const { tensors, stateDict, available, notes } = readTorchCheckpoint(bytes, { weights })
      const values = [...tensors].map(([name, entry]) => [name.replace('module.', ''), ...toFloat32(entry)])
      return { values, stateDict, available, notes: notes.length }
    }
    const available = ['raw', 'averages']
    const averaged = { values: [['fc.weight', 5, 6, 7, 8]], stateDict: averages, available }
    expect(of()).toEqual({ ...averaged, notes: 1 })
    expect(of('averages')).toEqual({ ...averaged, notes: 0 })
    expect(of('raw')).toEqual({ values: [['fc.weight', 1, 2, 3, 4]], stateDict: raw, available, notes: 0 })
  })

  test('a layer named ema is an ordinary layer', () => {
    const code = p.dict([p.text('fc.weight'), tensor()], [p.text('ema.weight'), tensor()])
    const { tensors, taken } = readTorchCheckpoint(zipCheckpoint(code))
    expect([[...tensors.keys()], taken]).toEqual([['fc.weight', 'ema.weight'], 'raw'])
  })

  test('averages of other tensors are ignored, and missing weights are rejected', () => {
    const dict = (name: string) => p.dict([p.text(name), tensor()])
    const other = zipCheckpoint(p.dict([p.text('model'), dict('fc.weight')], [p.text('loss_ema'), dict('value')]))
    expect(readTorchCheckpoint(other).stateDict).toBe('model')
    expect(failure(() => readTorchCheckpoint(other, { weights: 'averages' })).message).toContain(
      'it holds no moving averages; it has "model"',
    )
    const alone = zipCheckpoint(p.dict([p.text('model_ema'), dict('fc.weight')]))
    expect(readTorchCheckpoint(alone)).toMatchObject({ stateDict: 'model_ema', taken: 'averages', notes: [] })
    expect(failure(() => readTorchCheckpoint(alone, { weights: 'raw' })).code).toBe('EF504')
  })

  test('several state dicts: the caller chooses', () => {
    const dict = p.dict([p.text('weight'), tensor()])
    const pair = zipCheckpoint(p.dict([p.text('generator'), dict], [p.text('critic'), dict]))
    const error = failure(() => readTorchCheckpoint(pair, { fileName: 'pair.pth' }))
    expect(error.message).toBe(
      'cannot read pair.pth as a PyTorch checkpoint: it holds several dicts of tensors: "generator", "critic"',
    )
    expect(error.hint).toContain('stateDict')
    const bytes = golden('io/two.pth')
    expect(readTorchCheckpoint(bytes, { stateDict: 'ema' }).stateDict).toBe('ema')
    expect(failure(() => readTorchCheckpoint(bytes, { stateDict: 'constructor' })).message).toContain(
      'it has no dict of tensors named "constructor"; it has "ema", "raw"',
    )
  })

  test.each([
    ['module.pth', 'it names "torch.nn.modules.linear.Linear" at byte 2, which loading it in Python would run'],
    ['tensor.pth', 'expected a dict of tensors, it holds a tensor'],
    [
      'expanded.pth',
      'a tensor of shape [1000,1000] and strides [0,0] has more elements than its storage "0" (1): it repeats them',
    ],
    ['complex.pth', 'it names "torch.ComplexFloatStorage"'],
    ['protocol4.pth', 'the pickle has protocol 4; torch.save writes 2'],
  ])('%s is rejected', (name, message) => {
    const error = failure(() => readTorchCheckpoint(golden(`io/${name}`), { fileName: name }))
    expect(error.code).toBe('EF504')
    expect(error.message).toContain(`cannot read ${name} as a PyTorch checkpoint: `)
    expect(error.message).toContain(message)
    expect(error.message).not.toContain('\n')
    expect(error.hint).toContain('in Python, save')
  })
})

describe('valid files built by hand', () => {
  test('both containers, 64-bit zip fields, a comment at the end', () => {
    const data = floats(1, 2, 3, 4)
    const entries = [
      { name: 'net/data.pkl', bytes: pickle(state('a', tensor())) },
      { name: 'net/data/0', bytes: data },
    ]
    expect(numbersOf(zip(entries))).toEqual([1, 2, 3, 4])
    expect(numbersOf(zip(entries, { long: true }))).toEqual([1, 2, 3, 4])
    expect(numbersOf(zip(entries, { comment: 'PK\u0005\u0006 is not the end' }))).toEqual([1, 2, 3, 4])
    expect(numbersOf(legacyCheckpoint(state('a', tensor()), { data: concat(int64(4), data) }))).toEqual([1, 2, 3, 4])
  })

  test('row-major tensors are views into the file, not copies', () => {
    const bytes = zipCheckpoint(state('a', tensor()))
    expect(readTorchCheckpoint(bytes).tensors.get('a')?.bytes.buffer).toBe(bytes.buffer)
  })

  test("Python 2's texts and its OrderedDict of pairs", () => {
    const pairs = concat(p.emptyList, p.emptyList, p.byteText('a'), p.append, tensor(), p.append, p.append)
    const code = concat(p.global('collections', 'OrderedDict'), p.tuple(pairs), p.call)
    expect(numbersOf(zipCheckpoint(code))).toEqual([0, 0, 0, 0])
  })

  test('names of object prototype properties are ordinary names', () => {
    const names = ['__proto__', 'constructor', 'toString', '']
    const code = p.dict(...names.map((name) => [p.text(name), tensor()] as const))
    const { tensors } = readTorchCheckpoint(zipCheckpoint(code))
    expect([...tensors.keys()]).toEqual(names)
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
  })

  test('attributes of a dict are dropped, and entries that are not tensors are listed', () => {
    const code = concat(
      orderedDict,
      p.mark,
      p.text('a'),
      tensor(),
      p.text('version'),
      p.int(3),
      p.setItems,
      p.dict([p.text('_metadata'), orderedDict]),
      p.build,
    )
    const { tensors, others } = readTorchCheckpoint(zipCheckpoint(code))
    expect([...tensors.keys()]).toEqual(['a'])
    expect(others).toEqual(['version'])
  })

  test('a dict that contains itself is visited once', () => {
    const code = concat(
      p.emptyDict,
      p.put(0),
      p.text('self'),
      p.get(0),
      p.setItem,
      p.text('model'),
      state('a', tensor()),
      p.setItem,
    )
    expect(readTorchCheckpoint(zipCheckpoint(code)).stateDict).toBe('model')
    const alone = concat(p.emptyDict, p.put(0), p.text('self'), p.get(0), p.setItem)
    expect(failure(() => readTorchCheckpoint(zipCheckpoint(alone))).message).toContain('it contains no dict of tensors')
    const list = concat(p.emptyList, p.put(0), p.get(0), p.append)
    expect(failure(() => readTorchCheckpoint(zipCheckpoint(list))).message).toContain(
      'expected a dict of tensors, it holds a list',
    )
  })

  test('any strides and offset give the elements that the strides address', () => {
    const types = {
      FloatStorage: 'float32',
      HalfStorage: 'float16',
      ByteStorage: 'uint8',
      DoubleStorage: 'float64',
    } as const
    const anyView = fc.record({
      type: fc.constantFrom<keyof typeof types>('FloatStorage', 'HalfStorage', 'ByteStorage', 'DoubleStorage'),
      shape: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 }),
      order: fc.array(fc.nat(), { minLength: 4, maxLength: 4 }),
      offset: fc.nat(3),
      gap: fc.integer({ min: 1, max: 2 }),
    })
    fc.assert(
      fc.property(anyView, ({ type, shape, order, offset, gap }) => {
        // Strides of a dense tensor whose axes have any order in memory, spread by `gap`.
        const axes = shape.map((_, axis) => axis).toSorted((a, b) => (order[a] ?? 0) - (order[b] ?? 0))
        const strides = shape.map(() => 0)
        let step = gap
        for (const axis of axes) {
          strides[axis] = step
          step *= Math.max(1, shape[axis] ?? 1)
        }
        const elements = offset + step + 1
        const item = itemBytes[types[type]]
        const data = Uint8Array.from({ length: elements * item }, (_, i) => (i * 7 + (i >> 8)) & 255)
        const code = state('a', tensor({ type, elements, offset: p.int(offset), shape, strides }))
        const entry = readTorchCheckpoint(zipCheckpoint(code, [data])).tensors.get('a')
        const expected: number[] = []
        const walk = (axis: number, at: number): void => {
          if (axis === shape.length) expected.push(...data.subarray(at * item, (at + 1) * item))
          else for (let i = 0; i < (shape[axis] ?? 0); i++) walk(axis + 1, at + i * (strides[axis] ?? 0))
        }
        walk(0, offset)
        expect([...(entry?.bytes ?? [])]).toEqual(expected)
        expect({ dtype: entry?.dtype, shape: entry?.shape }).toEqual({ dtype: types[type], shape })
      }),
    )
  })

  test('every kind of storage', () => {
    const types = {
      DoubleStorage: 8,
      FloatStorage: 4,
      HalfStorage: 2,
      BFloat16Storage: 2,
      LongStorage: 8,
      IntStorage: 4,
      ShortStorage: 2,
      CharStorage: 1,
      ByteStorage: 1,
      BoolStorage: 1,
    }
    for (const [type, item] of Object.entries(types)) {
      const entry = readTorchCheckpoint(
        zipCheckpoint(state('a', tensor({ type })), [new Uint8Array(4 * item).fill(1)]),
      ).tensors.get('a')
      if (entry === undefined) throw new Error(type)
      expect(entry.bytes.length).toBe(4 * item)
      expect(itemBytes[entry.dtype]).toBe(item)
      if (type === 'BoolStorage') expect([...toInt32(entry)]).toEqual([1, 1, 1, 1])
    }
  })
})

describe('a hostile or corrupt checkpoint is rejected with one paragraph: the fault, its place and the fix', () => {
  const inZip = (code: Uint8Array) => zipCheckpoint(code)
  const withTensor = (spec: TensorSpec): Uint8Array => inZip(state('a', tensor(spec)))
  const calling = (module: string, name: string): Uint8Array =>
    inZip(concat(p.global(module, name), p.tuple(p.text('echo')), p.call))

  test.each<[string, Uint8Array, string]>([
    [
      'os.system',
      calling('os', 'system'),
      'it names "os.system" at byte 2, which loading it in Python would run; effuse runs nothing',
    ],
    ['builtins.eval', calling('builtins', 'eval'), 'it names "builtins.eval"'],
    [
      'a name with a dot inside',
      calling('collections.OrderedDict', '__init__'),
      'it names "collections.OrderedDict.__init__"',
    ],
    ['__proto__', calling('__proto__', 'constructor'), 'it names "__proto__.constructor"'],
    [
      'a name split otherwise is the same name',
      inZip(concat(p.global('torch._utils._rebuild_tensor_v2', ''), p.emptyTuple, p.call)),
      'it names "torch._utils._rebuild_tensor_v2."',
    ],
    [
      'a name that is too long',
      inZip(concat(bytesOfText('c'), bytesOfText('x'.repeat(1000)))),
      'the pickle names something with more than 200 characters, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…", at byte 2',
    ],
    [
      'a call of a storage class',
      inZip(concat(p.global('torch', 'FloatStorage'), p.emptyTuple, p.call)),
      'the pickle calls a class or function, which is none of the four calls of a state dict, at byte 23',
    ],
    ['a call of a dict', inZip(concat(p.emptyDict, p.emptyTuple, p.call)), 'the pickle calls a dict'],
    [
      'a call without a tuple',
      inZip(concat(p.global('collections', 'OrderedDict'), p.int(1), p.call)),
      'the pickle calls a function with a number instead of a tuple of arguments',
    ],
    [
      'opcode INST',
      inZip(bytesOfText('(ios\nsystem\n')),
      'the pickle has the opcode 0x69 (i), which torch.save does not write with protocol 2, at byte 3',
    ],
    ['opcode OBJ', inZip(bytesOfText('(o')), 'the pickle has the opcode 0x6f (o)'],
    ['opcode NEWOBJ', inZip(Uint8Array.of(0x81)), 'the pickle has the opcode 0x81'],
    ['opcode STACK_GLOBAL', inZip(Uint8Array.of(0x93)), 'the pickle has the opcode 0x93'],
    ['opcode EXT1', inZip(Uint8Array.of(0x82, 1)), 'the pickle has the opcode 0x82'],
    [
      'protocol 5',
      zip([{ name: 'net/data.pkl', bytes: Uint8Array.of(0x80, 5, 0x4e, 0x2e) }]),
      'the pickle has protocol 5; torch.save writes 2, at byte 0',
    ],
    ['empty stack', inZip(p.append), 'the pickle takes a value from an empty stack, at byte 2'],
    ['stop with nothing', inZip(new Uint8Array(0)), 'the pickle takes a value from an empty stack, at byte 2'],
    [
      'stop with too much',
      inZip(concat(p.none, p.none)),
      '1 values remain on the stack at the end of the pickle, at byte 4',
    ],
    [
      'a value below a mark',
      inZip(concat(p.emptyList, p.mark, p.append)),
      'the pickle takes a value from an empty stack',
    ],
    ['no mark', inZip(concat(p.emptyList, p.appends)), 'the pickle takes values up to a mark, and there is none'],
    ['appending to a text', inZip(concat(p.text('x'), p.none, p.append)), 'the pickle appends to a text'],
    ['an item of a list', inZip(concat(p.emptyList, p.none, p.none, p.setItem)), 'the pickle sets an item of a list'],
    [
      'a key without a value',
      inZip(concat(p.emptyDict, p.mark, p.none, p.setItems)),
      'the pickle sets a key without a value',
    ],
    ['attributes of a text', inZip(concat(p.text('x'), p.emptyDict, p.build)), 'the pickle sets attributes of a text'],
    [
      'attributes from a tuple',
      inZip(concat(p.emptyDict, p.emptyTuple, p.build)),
      'the pickle sets attributes from a tuple',
    ],
    [
      'recalling nothing',
      inZip(p.get(4_000_000_000)),
      'the pickle recalls value 4,000,000,000, which it has not stored',
    ],
    [
      'text past the end',
      inZip(Uint8Array.of(0x58, 0xff, 0xff, 0xff, 0xff)),
      'a text in the pickle at byte 7 needs 4,294,967,295 bytes, 1 are left',
    ],
    [
      'text that is not UTF-8',
      inZip(Uint8Array.of(0x58, 1, 0, 0, 0, 0xff)),
      'a text in the pickle is not UTF-8, at byte 2',
    ],
    [
      'no stop',
      zip([{ name: 'net/data.pkl', bytes: Uint8Array.of(0x80, 2, 0x4e) }]),
      'the next opcode of the pickle at byte 3 needs 1 byte, 0 are left',
    ],
    [
      'something after the pickle',
      zip([{ name: 'net/data.pkl', bytes: concat(pickle(p.none), p.none) }]),
      'entry data.pkl has 1 byte after the pickle',
    ],
    ['None', inZip(p.none), 'expected a dict of tensors, it holds None'],
    ['an empty dict', inZip(p.emptyDict), 'it contains no dict of tensors'],
    ['a tensor without a name', inZip(p.dict([p.int(1), tensor()])), "a tensor's name must be a text, it is a number"],
    ['a tensor twice', inZip(p.dict([p.text('a'), tensor()], [p.text('a'), tensor()])), 'two tensors are named "a"'],

    ['storage that is not there', withTensor({ key: '7' }), 'the zip archive has no entry "net/data/7"'],
    [
      'storage with a path for a key',
      withTensor({ key: '../../etc/passwd' }),
      'the zip archive has no entry "net/data/../../etc/passwd"',
    ],
    [
      'storage of another size',
      withTensor({ elements: 5 }),
      'storage "0" (float32[5]) needs 20 bytes, its entry has 16 bytes',
    ],
    ['storage with a negative count', withTensor({ elements: -4 }), 'expected the description of a storage'],
    [
      'storage of 2^52 elements',
      withTensor({ elements: 2 ** 52 }),
      'storage "0" has 4,503,599,627,370,496 elements, more than any file',
    ],
    [
      'storage of two types',
      inZip(p.dict([p.text('a'), tensor()], [p.text('b'), tensor({ type: 'HalfStorage' })])),
      'storage "0" is declared as float32[4] and as float16[4]',
    ],
    [
      'storage that is a view',
      inZip(storage({}, p.tuple(p.text('1'), p.int(0), p.int(4)))),
      'storage "0" is a view of another, as PyTorch before 0.4 wrote it',
    ],
    ['persistent id of a text', inZip(concat(p.text('0'), p.persistent)), 'expected the description of a storage'],
    [
      'tensor past the storage',
      withTensor({ shape: [5] }),
      'a tensor of shape [5] and strides [1] reaches element 4 of storage "0", which has 4, at byte',
    ],
    ['tensor past it by its offset', withTensor({ offset: p.int(1) }), 'reaches element 4 of storage "0", which has 4'],
    [
      'tensor past it by its strides',
      withTensor({ shape: [2, 2], strides: [3, 1] }),
      'reaches element 4 of storage "0", which has 4',
    ],
    ['empty tensor far outside', withTensor({ shape: [0], offset: p.int(1000) }), 'reaches element 999 of storage "0"'],
    [
      'negative offset',
      withTensor({ offset: p.int(-1) }),
      'expected a tensor (storage, offset, shape, strides), got something else',
    ],
    [
      'offset that is a text',
      withTensor({ offset: p.text('0') }),
      'expected a tensor (storage, offset, shape, strides), got something else',
    ],
    [
      'offset of 2^62',
      withTensor({ offset: p.long(2n ** 62n, 8) }),
      'expected a tensor (storage, offset, shape, strides), got something else',
    ],
    [
      'negative size',
      withTensor({ shape: [-1] }),
      'expected a tensor (storage, offset, shape, strides), got something else',
    ],
    [
      'negative stride',
      withTensor({ strides: [-1] }),
      'expected a tensor (storage, offset, shape, strides), got something else',
    ],
    [
      'strides of another rank',
      withTensor({ strides: [1, 1] }),
      'expected a tensor (storage, offset, shape, strides), got something else',
    ],
    ['sizes past 2^53', withTensor({ shape: [2 ** 40, 2 ** 40], strides: [0, 0] }), 'takes more than 2^53 bytes'],
    [
      'strides past 2^53',
      withTensor({ shape: [2, 2], strides: [2 ** 52, 2 ** 52] }),
      'reaches element 9,007,199,254,740,992 of storage "0"',
    ],
    [
      'repeated element',
      withTensor({ shape: [1_000_000, 1_000_000], strides: [0, 0] }),
      'has more elements than its storage "0" (4): it repeats them',
    ],
    [
      '65 dimensions',
      withTensor({ shape: Array<number>(65).fill(1), strides: Array<number>(65).fill(1) }),
      'a tensor has 65 dimensions; at most 64 are allowed',
    ],
    [
      'a negative view',
      withTensor({ more: p.dict([p.text('neg'), p.true]) }),
      'a tensor has marks (conjugate or negative view) that effuse does not read',
    ],
    [
      'a parameter of nothing',
      inZip(concat(p.global('torch._utils', '_rebuild_parameter'), p.emptyTuple, p.call)),
      'a parameter is made of None instead of a tensor',
    ],
    [
      'a Size of nothing',
      inZip(concat(p.global('torch', 'Size'), p.emptyTuple, p.call)),
      'a torch.Size is made of None',
    ],
    [
      'an OrderedDict of a text',
      inZip(concat(p.global('collections', 'OrderedDict'), p.tuple(p.text('x')), p.call)),
      'an OrderedDict is made of a text',
    ],
    [
      'an OrderedDict of numbers',
      inZip(concat(p.global('collections', 'OrderedDict'), p.tuple(concat(p.emptyList, p.int(1), p.append)), p.call)),
      'an OrderedDict is made of something else than pairs',
    ],

    [
      'TorchScript',
      zipCheckpoint(state('a', tensor()), [], [{ name: 'net/constants.pkl', bytes: pickle(p.none) }]),
      'it is a TorchScript program (torch.jit.save), not a dict of tensors',
    ],
    [
      'big endian',
      zipCheckpoint(state('a', tensor()), [], [{ name: 'net/byteorder', bytes: bytesOfText('big') }]),
      'the numbers must be little endian, but the entry byteorder says "big"',
    ],
    [
      'neither container',
      bytesOfText('hello'),
      'it begins neither as a zip archive nor as the older stream of torch.save',
    ],
    ['nothing', new Uint8Array(0), 'it begins neither as a zip archive'],
  ])('%s', (_, bytes, message) => {
    const error = failure(() => readTorchCheckpoint(bytes, { fileName: 'net.pth' }))
    expect(error.code).toBe('EF504')
    expect(error.message).toMatch(/^cannot read net\.pth as a PyTorch checkpoint: /)
    expect(error.message).toContain(message)
    expect(error.message).not.toContain('\n')
    expect(error.message.length).toBeLessThan(500)
    expect(error.hint).toBeTruthy()
  })

  const good: ZipEntry = { name: 'net/data.pkl', bytes: pickle(state('a', tensor())) }
  const data: ZipEntry = { name: 'net/data/0', bytes: floats(1, 2, 3, 4) }
  const whole = zip([good, data])
  const changed = (at: number, ...bytes: readonly number[]): Uint8Array => {
    const copy = Uint8Array.from(whole)
    copy.set(bytes, at < 0 ? copy.length + at : at)
    return copy
  }

  test.each<[string, Uint8Array, string]>([
    ['cut by a byte', whole.subarray(0, -1), 'it begins as a zip archive, but the directory at its end is missing'],
    [
      'only its first bytes',
      whole.subarray(0, 4),
      'it begins as a zip archive, but the directory at its end is missing',
    ],
    ['directory of no entries', changed(-14, 0, 0, 0, 0), 'should end at byte'],
    ['count of entries too small', changed(-14, 1, 0, 1, 0), 'its entries end at'],
    [
      'count of entries too large',
      changed(-14, 3, 0, 3, 0),
      'expected an entry of the directory of the zip archive at byte',
    ],
    ['counts that differ', changed(-14, 1, 0), 'the zip archive is one part of a divided archive'],
    ['directory past the file', changed(-6, 0xfe, 0xff, 0xff, 0xff), 'but the record after it begins before that'],
    [
      '64-bit record missing',
      changed(-14, 0xff, 0xff, 0xff, 0xff),
      'the 64-bit end of the zip archive is missing before byte',
    ],
    ['an entry twice', zip([good, data, data]), 'the zip archive has two entries named "net/data/0"'],
    [
      'two entries with the same bytes',
      zip([good, data, { ...data, name: 'net/data/1', headerAt: 0 }]),
      'of the zip archive overlaps another, at byte 0',
    ],
    [
      'an entry that reaches into the next',
      zip([{ ...good, directoryBytes: good.bytes.length + 1000 }, data]),
      'reaches past byte',
    ],
    ['an entry elsewhere', zip([good, { ...data, headerAt: 5 }]), 'overlaps another, at byte 5'],
    [
      'an entry with another name in its header',
      zip([good, { ...data, localName: 'net/data/1' }]),
      'the header of entry "net/data/0" of the zip archive at byte',
    ],
    ['encrypted', zip([good, { ...data, flags: 1 }]), 'entry "net/data/0" of the zip archive is encrypted'],
    [
      'compressed',
      zip([good, { ...data, method: 8 }]),
      'entry "net/data/0" of the zip archive is compressed, which torch.save never does',
    ],
    [
      'damaged numbers',
      zip([good, { ...data, checksum: 0x12345678 }]),
      'entry "net/data/0" of the zip archive is damaged: its checksum should be 0x12345678 and is 0x',
    ],
    [
      'a path out of the folder',
      zip([good, data, { name: '../../etc/cron.d/x', bytes: new Uint8Array(1) }]),
      'all entries of the zip archive must be in the folder "net/", but "../../etc/cron.d/x" is not',
    ],
    ['no pickle', zip([data]), 'the zip archive has no entry data.pkl, as torch.save writes it; it has "net/data/0"'],
    [
      'no entry',
      concat(Uint8Array.of(0x50, 0x4b, 3, 4), zip([])),
      'the zip archive has no entry data.pkl, as torch.save writes it; it has none',
    ],
  ])('zip: %s', (_, bytes, message) => {
    const error = failure(() => readTorchCheckpoint(bytes, { fileName: 'net.pth' }))
    expect(error.code).toBe('EF504')
    expect(error.message).toContain(message)
    expect(error.hint).toBeTruthy()
  })

  test('zip without checksums (torch can leave them out) is read', () => {
    expect(numbersOf(zip([good, { ...data, checksum: 0 }]))).toEqual([1, 2, 3, 4])
  })

  const named = state('a', tensor())
  test.each<[string, Uint8Array, string]>([
    [
      'another version',
      legacyCheckpoint(named, { version: p.int(1000) }),
      'the version of the format should be 1001, it is 1000',
    ],
    [
      'a version that is a list',
      legacyCheckpoint(named, { version: p.emptyList }),
      'the version of the format should be 1001, it is a list',
    ],
    [
      'big endian',
      legacyCheckpoint(named, { system: p.dict([p.text('little_endian'), p.false]) }),
      'the numbers must be little endian, but the file does not say so',
    ],
    [
      'names in the wrong pickle',
      legacyCheckpoint(named, { system: p.global('os', 'system') }),
      'expected only numbers and texts, got "os.system" at byte',
    ],
    [
      'names in the list of keys',
      legacyCheckpoint(named, { keys: orderedDict }),
      'expected only numbers and texts, got "collections.OrderedDict"',
    ],
    [
      'keys that are no list',
      legacyCheckpoint(named, { keys: p.emptyDict }),
      "expected the list of the storages' keys, got a dict",
    ],
    [
      'a key that is a number',
      legacyCheckpoint(named, { keys: concat(p.emptyList, p.int(0), p.append) }),
      "expected the list of the storages' keys, got a list",
    ],
    [
      'a key twice',
      legacyCheckpoint(named, { keys: concat(p.emptyList, p.text('0'), p.append, p.text('0'), p.append) }),
      'a storage occurs twice in the list of keys',
    ],
    [
      'a key of no tensor',
      legacyCheckpoint(named, { keys: concat(p.emptyList, p.text('1'), p.append) }),
      'storage "1" is listed, but no tensor uses it',
    ],
    [
      'no keys',
      legacyCheckpoint(named, { keys: p.emptyList, data: new Uint8Array(0) }),
      'the numbers of storage "0" are missing',
    ],
    ['numbers cut short', legacyCheckpoint(named).subarray(0, -1), 'storage "0" (float32[4]) needs 24 bytes from byte'],
    [
      'another count',
      legacyCheckpoint(named, { data: concat(int64(5), new Uint8Array(16)) }),
      'storage "0" should have 4 elements, byte',
    ],
    ['a negative count', legacyCheckpoint(named, { data: concat(int64(-4), new Uint8Array(16)) }), 'says -4'],
    [
      'bytes after the end',
      concat(legacyCheckpoint(named), new Uint8Array(1)),
      '1 byte follow the last storage, from byte',
    ],
    ['only its first bytes', legacyCheckpoint(named).subarray(0, 20), 'needs'],
  ])('older stream: %s', (_, bytes, message) => {
    const error = failure(() => readTorchCheckpoint(bytes, { fileName: 'net.pth' }))
    expect(error.code).toBe('EF504')
    expect(error.message).toContain(message)
    expect(error.hint).toBeTruthy()
  })

  test('a small file cannot cause high memory or time use', () => {
    const started = performance.now()
    const before = process.memoryUsage().rss
    const many = (piece: Uint8Array, count: number): Uint8Array => concat(...Array<Uint8Array>(count).fill(piece))
    // Infinitely many values.
    expect(failure(() => readTorchCheckpoint(inZip(new Uint8Array(30_000_000).fill(0x7d)))).message).toContain(
      'the pickle has more than 4,000,000 steps',
    )
    // One long list that is converted into dicts repeatedly.
    const pair = concat(p.emptyList, p.none, p.append, p.none, p.append)
    const list = concat(p.emptyList, p.put(0), many(concat(pair, p.append), 100_000))
    const again = concat(p.global('collections', 'OrderedDict'), p.get(0), Uint8Array.of(0x85), p.call)
    expect(failure(() => readTorchCheckpoint(inZip(concat(list, many(again, 1000))))).message).toContain('steps')
    // One storage with many transposed views.
    const transposed = tensor({ elements: 1_000_000, shape: [1000, 1000], strides: [1, 1000] })
    const views = p.dict(...Array.from({ length: 500 }, (_, i) => [p.text(`w${i}`), transposed] as const))
    expect(failure(() => readTorchCheckpoint(zipCheckpoint(views, [new Uint8Array(4_000_000)]))).message).toMatch(
      /its tensors, up to "w4", take 20,000,000 bytes from a file of 4,\d+,\d+ bytes: they repeat their numbers/,
    )
    expect(performance.now() - started).toBeLessThan(20_000)
    expect(process.memoryUsage().rss - before).toBeLessThan(800e6)
  })
})

test.each(['efficientnet/pth/zip.pth', 'efficientnet/pth/legacy.pth', 'io/training.pth'])(
  'truncated and damaged copies of %s give only EffuseErrors',
  (name) => {
    expectOnlyEffuseErrors(golden(name), (bytes) => readTorchCheckpoint(bytes))
  },
)

test('random pickles give only EffuseErrors', () => {
  const pieces = [
    ...Object.values(p).filter((piece) => piece instanceof Uint8Array && piece !== p.stop),
    ...[
      tensor(),
      storage({}),
      orderedDict,
      p.put(0),
      p.get(0),
      p.text('model'),
      p.int(2),
      p.tuple(p.int(1)),
      p.global('torch', 'Size'),
    ],
  ] as Uint8Array[]
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...pieces), { maxLength: 30 }), (code) => {
      try {
        readTorchCheckpoint(zipCheckpoint(concat(...code)))
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'EF504')) throw error
      }
    }),
    { numRuns: 3000 },
  )
})

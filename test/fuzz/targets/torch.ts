/** PyTorch checkpoints: pickles of tensors with hostile sizes, programs of random opcodes, both containers, and damaged bytes. */
import fc, { type Arbitrary } from 'fast-check'
import { recognizeWeights } from '../../../src/io/recognize.ts'
import { readTorchCheckpoint } from '../../../src/io/torch-checkpoint.ts'
import { concat } from '../../io/support.ts'
import {
  legacyCheckpoint,
  orderedDict,
  p,
  pickle,
  tensor,
  type TensorSpec,
  zip,
  zipCheckpoint,
} from '../../io/torch-files.ts'
import { damagedBytes } from '../mutations.ts'
import { bytesFile, type FuzzTarget } from '../target.ts'
import { checkTensors } from './files.ts'

const name = fc.constantFrom('w', 'layer.weight', 'state_dict', 'model_ema', '__proto__', 'constructor', '', 'é')
const types = fc.constantFrom('FloatStorage', 'DoubleStorage', 'HalfStorage', 'LongStorage', 'BoolStorage', 'Tensor')
const size = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 0, max: 4 }) },
  { weight: 1, arbitrary: fc.constantFrom(-1, 2 ** 31, 2 ** 40, 2 ** 53) },
)
/** Sizes that fit a storage of four numbers, and others. */
const spec: Arbitrary<TensorSpec> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.constantFrom<TensorSpec>({}, { shape: [2, 2], strides: [1, 2] }, { shape: [], strides: [] }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      key: fc.constantFrom('0', '1', '2'),
      type: types,
      elements: size,
      offset: size.map((n) => p.long(BigInt(n), 8)),
      shape: fc.array(size, { maxLength: 3 }),
      strides: fc.array(size, { maxLength: 3 }),
    }),
  },
)
const { dict } = fc.letrec<{ value: Uint8Array; dict: Uint8Array }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    spec.map(tensor),
    fc.constantFrom(p.none, p.true, p.int(3), p.text('text'), p.emptyList, p.emptyTuple, orderedDict),
    tie('dict'),
  ),
  dict: fc
    .uniqueArray(fc.tuple(name, tie('value')), { minLength: 1, maxLength: 4, selector: ([key]) => key })
    .map((entries) => p.dict(...entries.map(([key, value]) => [p.text(key), value] as const))),
}))

/** Opcodes in any order: stacks that underflow, missing memos, lists that contain themselves, calls of objects that are not functions. */
const pieces = [
  ...[p.none, p.true, p.mark, p.emptyDict, p.emptyList, p.emptyTuple, p.call, p.build, p.setItem, p.setItems],
  ...[p.append, p.appends, p.persistent, p.stop, p.put(0), p.get(0), p.put(1), p.get(1), p.int(-1), orderedDict],
  ...[p.text('a'), p.text('storage'), p.byteText('b'), p.long(2n ** 62n, 8), p.tuple(), tensor()],
  ...[p.global('collections', 'OrderedDict'), p.global('os', 'system'), p.global('torch', 'FloatStorage')],
  p.global('torch._utils', '_rebuild_tensor_v2'),
]
const code = fc.oneof(
  { weight: 4, arbitrary: dict },
  { weight: 1, arbitrary: fc.array(fc.constantFrom(...pieces), { maxLength: 12 }).map((parts) => concat(...parts)) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(dict, fc.array(fc.constantFrom(...pieces), { maxLength: 4 }))
      .map(([start, parts]) => concat(start, ...parts)),
  },
)
const storages = fc.oneof(
  { weight: 4, arbitrary: fc.constant([new Uint8Array(16)]) },
  {
    weight: 1,
    arbitrary: fc.array(
      fc.nat(20).map((n) => new Uint8Array(n)),
      { maxLength: 3 },
    ),
  },
)
const files = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(code, storages).map(([of, data]) => zipCheckpoint(of, data)) },
  { weight: 2, arbitrary: code.map((of) => legacyCheckpoint(of)) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(
        code,
        fc.record({ method: fc.constantFrom(0, 0, 8), flags: fc.constantFrom(0, 0, 1), localName: name }),
        fc.constantFrom(0, 16, 0xfffffff0),
        fc.boolean(),
      )
      .map(([of, odd, directoryBytes, long]) =>
        zip(
          [
            { name: 'net/data.pkl', bytes: pickle(of) },
            { name: 'net/data/0', bytes: new Uint8Array(16), ...odd, directoryBytes },
          ],
          { long },
        ),
      ),
  },
)

export const torch: FuzzTarget<Uint8Array> = {
  name: 'pth',
  summary: 'PyTorch checkpoints',
  cases: damagedBytes(files, 3),
  file: bytesFile,
  acceptedLeast: 0.08,
  attempt: (bytes) => {
    recognizeWeights(bytes)
    checkTensors(readTorchCheckpoint(bytes, { fileName: 'a.pth' }).tensors)
  },
}

/**
 * The Python names that a state dict needs, and the results of their calls. All other names are rejected, because Python would import and run what
 * a pickle names.
 */
import type { EffuseError } from '../ir/diagnostics.ts'
import { grouped, quote } from './message-text.ts'
import { type PickleHost, saveAgain } from './pickle-machine.ts'
import {
  type KnownGlobal,
  kindOf,
  type PickleTuple,
  type PickleValue,
  type StorageRef,
  sizeOf,
  type TensorRef,
} from './pickle-values.ts'
import { bytesOf, type FileDType, itemBytes, rankLimit } from './tensor-entry.ts'

const storageDTypes: readonly (readonly [string, FileDType])[] = [
  ['DoubleStorage', 'float64'],
  ['FloatStorage', 'float32'],
  ['HalfStorage', 'float16'],
  ['BFloat16Storage', 'bfloat16'],
  ['LongStorage', 'int64'],
  ['IntStorage', 'int32'],
  ['ShortStorage', 'int16'],
  ['CharStorage', 'int8'],
  ['ByteStorage', 'uint8'],
  ['BoolStorage', 'bool'],
]

const knownGlobals: ReadonlyMap<string, KnownGlobal> = new Map<string, KnownGlobal>([
  ['collections.OrderedDict', { is: 'orderedDict' }],
  ['torch.Size', { is: 'size' }],
  ['torch._utils._rebuild_tensor_v2', { is: 'rebuildTensor' }],
  ['torch._utils._rebuild_parameter', { is: 'rebuildParameter' }],
  ...storageDTypes.map(([name, dtype]) => [`torch.${name}`, { is: 'storage', dtype }] as const),
])

/** Makes the error for a broken or rejected checkpoint. */
export type Corrupt = (detail: string, hint?: string) => EffuseError

/** A host for pickles that may contain data, but no names. */
export const dataHost = (corrupt: Corrupt): PickleHost => ({
  corrupt,
  global: (module, name, at) => {
    throw corrupt(`expected only numbers and texts, got ${quote(`${module}.${name}`)} at byte ${grouped(at)}`)
  },
  call: (_, __, at) => {
    throw corrupt(`expected only numbers and texts, got a call at byte ${grouped(at)}`)
  },
  persistent: (_, at) => {
    throw corrupt(`expected only numbers and texts, got a storage at byte ${grouped(at)}`)
  },
})

/** A host for pickles of tensors. It collects the storages by key in `storages`. */
export const torchHost = (corrupt: Corrupt, storages: Map<string, StorageRef>): PickleHost => ({
  corrupt,
  global: (module, name, at) => {
    const known = knownGlobals.get(`${module}.${name}`)
    if (known !== undefined) return { kind: 'global', name: known }
    throw corrupt(
      `it names ${quote(`${module}.${name}`)} at byte ${grouped(at)}, which loading it in Python would run; effuse runs nothing and reads only dicts of plain tensors (${[...knownGlobals.keys()].slice(0, 4).join(', ')} and dense storages)`,
      saveAgain,
    )
  },
  call: (callable, args, at, spend) => {
    const name = typeof callable === 'object' && callable?.kind === 'global' ? callable.name : null
    switch (name?.is) {
      case 'orderedDict':
        return orderedDict(args, at, spend, corrupt)
      case 'size':
        return torchSize(args, at, corrupt)
      case 'rebuildTensor':
        return rebuildTensor(args, at, corrupt)
      case 'rebuildParameter': {
        const [tensor] = args.items
        if (typeof tensor === 'object' && tensor?.kind === 'tensor') return tensor
        throw corrupt(`a parameter is made of ${kindOf(tensor ?? null)} instead of a tensor, at byte ${grouped(at)}`)
      }
      default:
        throw corrupt(
          `the pickle calls ${kindOf(callable)}, which is none of the four calls of a state dict, at byte ${grouped(at)}`,
        )
    }
  },
  persistent: (id, at) => {
    const storage = storageOf(id, at, corrupt)
    const known = storages.get(storage.key)
    if (known === undefined) storages.set(storage.key, storage)
    else if (known.dtype !== storage.dtype || known.elements !== storage.elements)
      throw corrupt(
        `storage ${quote(storage.key)} is declared as ${known.dtype}[${known.elements}] and as ${storage.dtype}[${storage.elements}], at byte ${grouped(at)}`,
      )
    return known ?? storage
  },
})

/** `OrderedDict()`, or Python 2's `OrderedDict([[key, value], ...])`. */
const orderedDict = (args: PickleTuple, at: number, spend: (count: number) => void, corrupt: Corrupt): PickleValue => {
  const [pairs] = args.items
  if (pairs === undefined) return { kind: 'dict', entries: [] }
  if (typeof pairs !== 'object' || pairs?.kind !== 'list')
    throw corrupt(`an OrderedDict is made of ${kindOf(pairs)}, at byte ${grouped(at)}`)
  // A pickle may use the same long list many times.
  spend(pairs.items.length)
  const entries = pairs.items.map((pair): readonly [PickleValue, PickleValue] => {
    const [key, value, more] =
      typeof pair === 'object' && (pair?.kind === 'list' || pair?.kind === 'tuple') ? pair.items : []
    if (key === undefined || value === undefined || more !== undefined)
      throw corrupt(`an OrderedDict is made of something else than pairs, at byte ${grouped(at)}`)
    return [key, value]
  })
  return { kind: 'dict', entries }
}

const torchSize = (args: PickleTuple, at: number, corrupt: Corrupt): PickleValue => {
  const [sizes] = args.items
  if (typeof sizes === 'object' && sizes?.kind === 'tuple') return sizes
  throw corrupt(`a torch.Size is made of ${kindOf(sizes ?? null)}, at byte ${grouped(at)}`)
}

/** ('storage', class, key, device, elements), and None as a sixth item in old files. */
const storageOf = (id: PickleValue, at: number, corrupt: Corrupt): StorageRef => {
  const [tag, type, key, , count, view] = typeof id === 'object' && id?.kind === 'tuple' ? id.items : []
  const dtype =
    typeof type === 'object' && type?.kind === 'global' && type.name.is === 'storage' ? type.name.dtype : null
  const elements = sizeOf(count)
  if (tag !== 'storage' || dtype === null || typeof key !== 'string' || elements === null)
    throw corrupt(
      `expected the description of a storage (class, key, device, count), got something else, at byte ${grouped(at)}`,
    )
  if ((view ?? null) !== null)
    throw corrupt(
      `storage ${quote(key)} is a view of another, as PyTorch before 0.4 wrote it, at byte ${grouped(at)}`,
      saveAgain,
    )
  if (!Number.isSafeInteger(elements * itemBytes[dtype]))
    throw corrupt(`storage ${quote(key)} has ${grouped(elements)} elements, more than any file, at byte ${grouped(at)}`)
  return { kind: 'storage', key, dtype, elements }
}

/** (storage, offset, shape, strides, requires_grad, hooks[, metadata]): checked against the storage's size. */
const rebuildTensor = (args: PickleTuple, at: number, corrupt: Corrupt): TensorRef => {
  const fail = (detail: string, hint?: string): EffuseError => corrupt(`${detail}, at byte ${grouped(at)}`, hint)
  const [storage, offsetValue, shapeValue, stridesValue, , , metadata] = args.items
  const offset = sizeOf(offsetValue)
  const shape = sizesOf(shapeValue)
  const strides = sizesOf(stridesValue)
  if (
    typeof storage !== 'object' ||
    storage?.kind !== 'storage' ||
    offset === null ||
    shape === null ||
    strides === null ||
    shape.length !== strides.length
  )
    throw fail('expected a tensor (storage, offset, shape, strides), got something else')
  if (shape.length > rankLimit)
    throw fail(`a tensor has ${grouped(shape.length)} dimensions; at most ${rankLimit} are allowed`)
  // Marks of tensors whose numbers a reader must negate or conjugate.
  if (typeof metadata === 'object' && metadata !== null && !(metadata.kind === 'dict' && metadata.entries.length === 0))
    throw fail(
      'a tensor has marks (conjugate or negative view) that effuse does not read',
      'in Python, save tensor.resolve_conj().resolve_neg().clone()',
    )

  const bytes = bytesOf(storage.dtype, shape)
  const shown = `a tensor of shape [${shape.join(',')}] and strides [${strides.join(',')}]`
  if (bytes === null) throw fail(`${shown} takes more than 2^53 bytes`)
  // Sums above 2^53 may be rounded, but never to a number below the storage's size.
  const last =
    bytes === 0 ? offset - 1 : shape.reduce((sum, size, axis) => sum + (size - 1) * (strides[axis] ?? 0), offset)
  if (last >= storage.elements)
    throw fail(
      `${shown} reaches element ${grouped(last)} of storage ${quote(storage.key)}, which has ${grouped(storage.elements)}`,
    )
  if (bytes > storage.elements * itemBytes[storage.dtype])
    throw fail(
      `${shown} has more elements than its storage ${quote(storage.key)} (${grouped(storage.elements)}): it repeats them`,
      'in Python, save tensor.contiguous() instead of an expanded tensor',
    )
  return { kind: 'tensor', storage, offset, shape, strides }
}

const sizesOf = (value: PickleValue | undefined): readonly number[] | null => {
  if (typeof value !== 'object' || value?.kind !== 'tuple') return null
  const sizes = value.items.map(sizeOf)
  return sizes.every((size) => size !== null) ? sizes : null
}

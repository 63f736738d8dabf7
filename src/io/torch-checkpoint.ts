/**
 * Reads state dicts of PyTorch (.pth, .pt) as plain tensors from both containers, without running code of the file.
 * This file decides which dict is the state dict; the importer interprets the names in it.
 */
import { EffuseError } from '../ir/diagnostics.ts'
import { byteCount, fileLabel, grouped, quote } from './message-text.ts'
import { saveAgain } from './pickle-machine.ts'
import { kindOf, type PickleDict, type PickleValue, type TensorRef } from './pickle-values.ts'
import { areOfSame, isAveraged, prefixedAverages } from './prefixed-averages.ts'
import { isContiguous, rowMajor } from './strided.ts'
import { bytesOf, type TensorEntry } from './tensor-entry.ts'
import { isLegacyTorch, isZip, readLegacyContainer, readZipContainer, type TorchContent } from './torch-containers.ts'
import type { Corrupt } from './torch-objects.ts'

export interface TorchCheckpoint {
  /** By name, in the file's order. Row-major; views into the file if the file stores them so. */
  readonly tensors: ReadonlyMap<string, TensorEntry>
  /** The place of the state dict in the file: '' for the top, else the keys joined by dots, `model` or `state.model`. */
  readonly stateDict: string
  /** Names in the state dict whose values are not tensors. */
  readonly others: readonly string[]
  /** Which of the file's weights these are: the raw weights, or the moving averages that training scripts store beside them. */
  readonly taken: Kind
  readonly available: readonly Kind[]
  /** Choices that the reader made by itself, one sentence each. */
  readonly notes: readonly string[]
}
type Kind = 'raw' | 'averages'

export interface TorchCheckpointOptions {
  /** For messages. */
  readonly fileName?: string | undefined
  /** The state dict to take if a file has several: its keys joined by dots. */
  readonly stateDict?: string | undefined
  /** The weights to take from a file that has both: the moving averages (default) or the raw weights. */
  readonly weights?: Kind | undefined
}

/** Names that training scripts give to the weights, in order of preference. */
const usualNames = ['state_dict', 'model', 'model_state_dict', 'model_state', 'net', 'module']
/** The maximum depth of a state dict in the file. */
const depthMax = 3
/** Copies of tensors that are not row-major may take this many times the file's size. Normal files need less than their size. */
const copyFactor = 4

/**
 * Reads the state dict of a PyTorch checkpoint. Runs no code: it rejects all Python names except those of plain tensors.
 *
 * @param bytes The whole file.
 * @throws EffuseError EF504 if the file is damaged, or does not contain exactly one dict of tensors.
 * @example
 * const { tensors } = readTorchCheckpoint(await readFile('net.pth'), { fileName: 'net.pth' })
 * toFloat32(tensors.get('bias')!)
 */
export const readTorchCheckpoint = (bytes: Uint8Array, options: TorchCheckpointOptions = {}): TorchCheckpoint => {
  const corrupt: Corrupt = (detail, hint = 'check the source of the file, and download or save it again') =>
    new EffuseError({
      code: 'EF504',
      message: `cannot read ${fileLabel(options.fileName)} as a PyTorch checkpoint: ${detail}`,
      hint,
    })
  const content = readContainer(bytes, corrupt)
  const { found, ...choice } = findStateDict(content.value, options, corrupt)
  const { path, dict } = found
  const copyLimit = copyFactor * bytes.length
  let copied = 0
  const tensors = new Map<string, TensorEntry>()
  const others: string[] = []
  for (const [name, value] of dict.entries) {
    if (!isTensor(value)) {
      others.push(typeof name === 'string' ? name : kindOf(name))
      continue
    }
    if (typeof name !== 'string') throw corrupt(`a tensor's name must be a text, it is ${kindOf(name)}`)
    if (tensors.has(name)) throw corrupt(`two tensors are named ${quote(name)}`)
    const view = { ...value, dtype: value.storage.dtype }
    if (!isContiguous(view)) copied += bytesOf(view.dtype, view.shape) ?? 0
    if (copied > copyLimit)
      throw corrupt(
        `its tensors, up to ${quote(name)}, take ${byteCount(copied)} from a file of ${byteCount(bytes.length)}: they repeat their numbers`,
      )
    tensors.set(name, {
      name,
      dtype: view.dtype,
      shape: view.shape,
      bytes: rowMajor(content.storage(value.storage), view),
    })
  }
  return { tensors, stateDict: path, others, ...choice }
}

const readContainer = (bytes: Uint8Array, corrupt: Corrupt): TorchContent => {
  if (isZip(bytes)) return readZipContainer(bytes, corrupt)
  if (isLegacyTorch(bytes)) return readLegacyContainer(bytes, corrupt)
  throw corrupt('it begins neither as a zip archive nor as the older stream of torch.save')
}

const isTensor = (value: PickleValue): value is TensorRef => typeof value === 'object' && value?.kind === 'tensor'
const isDict = (value: PickleValue): value is PickleDict => typeof value === 'object' && value?.kind === 'dict'

interface Candidate {
  readonly path: string
  readonly dict: PickleDict
}

interface Choice extends Pick<TorchCheckpoint, 'taken' | 'available' | 'notes'> {
  readonly found: Candidate
}

/** The dict that the caller names; else the averages or the raw weights. */
const findStateDict = (
  root: PickleValue,
  { stateDict: asked, weights: wanted }: TorchCheckpointOptions,
  corrupt: Corrupt,
): Choice => {
  if (!isDict(root)) throw corrupt(`expected a dict of tensors, it holds ${kindOf(root)}`, saveAgain)
  const byDepth = candidates(root)
  const all = byDepth.flat()
  if (asked !== undefined) {
    const found = all.find(({ path }) => path === asked)
    if (found === undefined)
      throw corrupt(
        `it has no dict of tensors named ${quote(asked)}; it has ${all.length === 0 ? 'none' : listOf(all)}`,
      )
    const taken = isAveraged(found.path) ? 'averages' : 'raw'
    return { found, taken, available: [taken], notes: [] }
  }
  if (all.length === 0) throw corrupt('it contains no dict of tensors', saveAgain)
  const raw = preferred(
    byDepth.map((level) => level.filter((candidate) => !isAveraged(candidate.path))),
    corrupt,
  )
  const averages =
    all.find(
      ({ path, dict }) => isAveraged(path) && (raw === null || areOfSame(tensorNames(raw.dict), tensorNames(dict))),
    ) ?? null
  if (raw !== null && averages !== null) {
    const taken = wanted ?? 'averages'
    const words = `the file has weights, ${shownPath(raw)}, and their averages, ${shownPath(averages)}; effuse uses the averages`
    const notes = wanted === undefined ? [words] : []
    return { found: taken === 'averages' ? averages : raw, taken, available: ['raw', 'averages'], notes }
  }
  const found = raw ?? averages
  if (found === null)
    throw corrupt(
      `it is unclear which of its dicts of tensors contains the weights: it contains ${listOf(all)}`,
      sayWhich,
    )
  const taken = raw === null ? 'averages' : 'raw'
  if (wanted !== undefined && wanted !== taken)
    throw corrupt(
      `it holds no ${wanted === 'averages' ? 'moving averages' : 'weights but averages'}; it has ${listOf([found])}`,
      'leave `weights` out',
    )
  return { found, taken, available: [taken], notes: [] }
}

const tensorNames = (dict: PickleDict): readonly string[] =>
  dict.entries.flatMap(([name, value]) => (typeof name === 'string' && isTensor(value) ? [name] : []))

/** Splits a flat dict that has both weights and averages, by the prefixes of the names, into two dicts. */
const apart = (candidate: Candidate): readonly Candidate[] => {
  const found = prefixedAverages(tensorNames(candidate.dict))
  if (found === null) return [candidate]
  const part = (prefix: string, isPart: (name: string) => boolean): Candidate => ({
    path: [candidate.path, prefix.slice(0, -1)].filter((key) => key !== '').join('.'),
    dict: {
      kind: 'dict',
      entries: candidate.dict.entries.flatMap(([name, value]): [PickleValue, PickleValue][] =>
        typeof name === 'string' && isPart(name) ? [[name.slice(prefix.length), value]] : [],
      ),
    },
  })
  const { raw, averages } = found
  return [part(raw, (name) => !name.startsWith(averages)), part(averages, (name) => name.startsWith(averages))]
}

/** The shallowest dict; among several, the one with a usual name. Null if there is none. */
const preferred = (byDepth: readonly (readonly Candidate[])[], corrupt: Corrupt): Candidate | null => {
  const shallowest = byDepth.find((level) => level.length > 0)
  if (shallowest === undefined) return null
  const [only, ...more] = shallowest
  if (only !== undefined && more.length === 0) return only
  for (const name of usualNames) {
    const found = shallowest.find(({ path }) => path === name || path.endsWith(`.${name}`))
    if (found !== undefined) return found
  }
  throw corrupt(`it holds several dicts of tensors: ${listOf(shallowest)}`, sayWhich)
}
const sayWhich = 'name one of them (stateDict), or save it alone'

const listOf = (found: readonly Candidate[]): string =>
  found.slice(0, 6).map(shownPath).join(', ') + (found.length > 6 ? ` and ${grouped(found.length - 6)} more` : '')

const shownPath = ({ path }: Candidate): string => (path === '' ? 'the top level' : quote(path))

/** The dicts that contain a tensor, by depth. Each dict is visited once, because a pickle may refer to one again, even from inside it. */
const candidates = (root: PickleDict): readonly (readonly Candidate[])[] => {
  const seen = new Set<PickleDict>([root])
  const levels: Candidate[][] = []
  let level: readonly Candidate[] = [{ path: '', dict: root }]
  for (let depth = 0; depth <= depthMax; depth++) {
    levels.push(level.filter(({ dict }) => dict.entries.some(([, value]) => isTensor(value))).flatMap(apart))
    const next: Candidate[] = []
    for (const { path, dict } of level)
      for (const [key, value] of dict.entries) {
        if (typeof key !== 'string' || !isDict(value) || seen.has(value)) continue
        seen.add(value)
        next.push({ path: path === '' ? key : `${path}.${key}`, dict: value })
      }
    level = next
  }
  return levels
}

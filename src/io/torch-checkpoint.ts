/**
 * State dicts of PyTorch (.pth, .pt) as plain tensors, from both containers, without running anything that the file says.
 * Which dict inside the file is the state dict is decided here; what its names mean is the importer's business.
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
  /** By name, in the file's order. Row-major; views into the file where the file has them so. */
  readonly tensors: ReadonlyMap<string, TensorEntry>
  /** Where in the file the state dict is: '' at the top, else the keys with dots between, `model` or `state.model`. */
  readonly stateDict: string
  /** Names in the state dict whose values are not tensors. */
  readonly others: readonly string[]
  /** Which of the weights these are, and which the file has: as they are, or their moving averages, as training scripts keep beside them. */
  readonly taken: Kind
  readonly available: readonly Kind[]
  /** What was chosen without being asked, one sentence each. */
  readonly notes: readonly string[]
}
type Kind = 'raw' | 'averages'

export interface TorchCheckpointOptions {
  /** For messages. */
  readonly fileName?: string | undefined
  /** Which state dict to take, by its keys with dots between, where a file has several. */
  readonly stateDict?: string | undefined
  /** Of a file that has both, the moving averages (default) or the weights as they are. */
  readonly weights?: Kind | undefined
}

/** Names that training scripts give to the weights, in the order in which they are preferred. */
const usualNames = ['state_dict', 'model', 'model_state_dict', 'model_state', 'net', 'module']
/** How deep a state dict may lie. */
const depthMax = 3
/** Copies of tensors that do not lie row-major may take this many times the file's size; honest files need less than once. */
const copyFactor = 4

/**
 * Reads the state dict of a PyTorch checkpoint. Runs nothing: names of Python's other than those of plain tensors are refused.
 *
 * @param bytes The whole file.
 * @throws EffuseError EF504 where the file is damaged, holds something else than a dict of tensors, or several of them.
 * @example
 * const { tensors } = readTorchCheckpoint(await readFile('net.pth'), { fileName: 'net.pth' })
 * toFloat32(tensors.get('bias')!)
 */
export const readTorchCheckpoint = (bytes: Uint8Array, options: TorchCheckpointOptions = {}): TorchCheckpoint => {
  const corrupt: Corrupt = (detail, hint = 'check where the file comes from, and download or save it again') =>
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

/** The dict that is asked for; else the averages or the weights as they are. */
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
  if (all.length === 0) throw corrupt('no dict in it holds tensors', saveAgain)
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
    const words = `the file has weights, ${shownPath(raw)}, and their averages, ${shownPath(averages)}; the averages are taken`
    const notes = wanted === undefined ? [words] : []
    return { found: taken === 'averages' ? averages : raw, taken, available: ['raw', 'averages'], notes }
  }
  const found = raw ?? averages
  if (found === null) throw corrupt(`which of its dicts of tensors are the weights? It holds ${listOf(all)}`, sayWhich)
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

/** A flat dict may hold both, told apart by what the names begin with: two dicts, then. */
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

/** The shallowest dict, or the one with the usual name among several; null where there is none. */
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
const sayWhich = 'say which one is meant (stateDict), or save that one alone'

const listOf = (found: readonly Candidate[]): string =>
  found.slice(0, 6).map(shownPath).join(', ') + (found.length > 6 ? ` and ${grouped(found.length - 6)} more` : '')

const shownPath = ({ path }: Candidate): string => (path === '' ? 'the top one' : quote(path))

/** The dicts that hold a tensor, by depth. Each dict is visited once: a pickle may refer to one again, even from inside itself. */
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

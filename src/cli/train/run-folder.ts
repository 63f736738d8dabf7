/** The folder of a run: its resolved configuration, written before the first step, and the later checkpoints and metrics. */
import { mkdir, readdir, rm, rmdir } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { folderNames, readFile, writeFileAtomic } from '#platform'
import { shortList } from '../../ir/listed.ts'
import { EffuseError } from '../../ir/diagnostics.ts'
import { fileError, systemCode } from '../../platform/node-file-error.ts'
import { parseObject, parseRecipe } from '../../recipes/load.ts'
import type { Recipe } from '../../recipes/recipe.ts'
import { resolveRecipe } from '../../recipes/resolve.ts'
import { checkpointAmong, stepNames } from '../../io/run-files.ts'
import type { CheckpointStore, StoreLock } from '../../train/checkpoint-store.ts'
import { directory } from '../../train/directory.ts'
import { lockStart } from '../../platform/node-folder-lock.ts'
import { version } from '../common.ts'
import { type Io, resumeCommand } from '../io.ts'

export const configName = 'config.json'

interface Beginning {
  readonly folder: string | undefined
  readonly resumed: SavedConfig | null
  readonly recipe: Recipe
  readonly recipeName: string | null
}

/** The folder of a running training: locked, with its settings in it. */
export interface RunFolder {
  readonly path: string
  /** Its checkpoints, for fit(). The settings are kept beside them. */
  readonly checkpoints: CheckpointStore
  /** The folder from which the run can be resumed; null if its folder is gone and nothing could be saved. */
  place(): Promise<string | null>
  /** Releases the lock. */
  release(): Promise<void>
  /** Puts the settings of a resumed run back, if nothing was trained with the new ones. */
  restoreSettings(): Promise<void>
  /** Undoes the changes, for a run that could not start. */
  undo(): Promise<void>
}

/**
 * Opens the folder of a run and writes its settings: a new folder, or that of the resumed run.
 * @param say Receives a line when something is repaired during the run.
 * @throws EffuseError EF601, EF501, EF508 (another run has it)
 */
export const openRunFolder = async (
  { folder, resumed, recipe, recipeName }: Beginning,
  io: Io,
  say: (line: string) => void,
): Promise<RunFolder> => {
  const isNew = resumed === null || folder === undefined
  const path = isNew ? await makeRunFolder(folder, runName(recipe, recipeName), io) : folder
  const store = directory(path)
  const lock = await lockOf(store)
  const restoreSettings = async (): Promise<void> => {
    if (resumed !== null) await writeFileAtomic(join(path, configName), resumed.bytes)
  }
  const undo = async (): Promise<void> => {
    // The reason why the run could not start is reported, not an error of this cleanup.
    if (resumed !== null) await restoreSettings().catch(() => undefined)
    else await rm(join(path, configName), { force: true })
    await lock.release()
    if (resumed === null) await rmdir(path).catch(() => undefined) // it may have other files by now
  }
  try {
    if (isNew && folder !== undefined) await checkUnused(folder, io) // another run may have written to it before the lock
    await saveConfig(path, recipe, recipeName)
  } catch (error) {
    await lock.release()
    throw error
  }
  let rescued: string | null = null
  return {
    path,
    checkpoints: {
      ...store,
      lock: () => Promise.resolve({ release: () => Promise.resolve() }), // the folder is already locked, and stays locked for longer
      write: async (name, bytes) => {
        await store.write(name, bytes)
        if (await isRun(path)) return
        await saveConfig(path, recipe, recipeName)
        say(`note: ${configName} was missing in ${path} and was written again`)
      },
      rescue: async (name, bytes) => {
        const file = (await store.rescue?.(name, bytes)) ?? null
        if (file === null) return null
        rescued = dirname(file)
        if (!(await isRun(rescued))) await saveConfig(rescued, recipe, recipeName)
        return file
      },
    },
    place: async () => {
      if (rescued !== null) return rescued
      const isThere = await store.list().then(
        () => true,
        () => false,
      )
      return isThere ? path : null
    },
    release: () => lock.release(),
    restoreSettings,
    undo,
  }
}

const lockOf = async (store: CheckpointStore): Promise<StoreLock> =>
  (await store.lock?.()) ?? { release: () => Promise.resolve() }

/**
 * A folder for a new run: the given one, which must be new or empty, or the first of `runs/<name>`, `runs/<name>-2` … that does not exist.
 * @throws EffuseError EF601 (it is not empty), EF501 (it cannot be created).
 */
const makeRunFolder = async (given: string | undefined, name: string, io: Io): Promise<string> => {
  if (given === '') throw new EffuseError({ code: 'EF601', message: '--out must name a folder, got ""' })
  if (given !== undefined) {
    await checkUnused(given, io)
    await made(given, true)
    return given
  }
  await made('runs', true)
  for (let n = 1; ; n++) {
    const folder = join('runs', n === 1 ? name : `${name}-${n}`)
    if (await made(folder, false)) return folder
  }
}

/** @throws EffuseError EF601 if it is not empty */
const checkUnused = async (folder: string, io: Io): Promise<void> => {
  const inside = (await namesIn(folder)).filter((name) => !name.startsWith(lockStart))
  if (await isRun(folder))
    throw new EffuseError({
      code: 'EF601',
      message: `--out ${folder} already contains a run`,
      hint: `resume it: ${resumeCommand(io, folder)}; or choose another folder`,
    })
  if (inside.length > 0)
    throw new EffuseError({
      code: 'EF601',
      message: `--out ${folder} is not empty: it contains ${shortList(inside, 3)}`,
      hint: 'choose a new folder',
    })
}

/** Names in a folder; none if the folder does not exist. */
const namesIn = async (folder: string): Promise<readonly string[]> => {
  try {
    return await readdir(folder)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return []
    throw fileError(error, folder, 'write')
  }
}

/** False: it already existed, and `mayBeThere` is false. */
const made = async (folder: string, mayBeThere: boolean): Promise<boolean> => {
  try {
    await mkdir(folder, { recursive: mayBeThere })
    return true
  } catch (error) {
    if (!mayBeThere && systemCode(error) === 'EEXIST') return false
    throw fileError(await reasonOf(error, folder), folder, 'write')
  }
}

/** On a read-only disk, Node reports ENOENT for folders that cannot be created. Creating the first missing folder shows the reason. */
const reasonOf = async (error: unknown, folder: string): Promise<unknown> => {
  if (systemCode(error) !== 'ENOENT') return error
  for (let at = resolve(folder); ; at = dirname(at)) {
    const reason = await mkdir(at).then(
      () => error,
      (found: unknown) => found,
    )
    if (systemCode(reason) !== 'ENOENT' || at === dirname(at)) return reason
  }
}

/** Writes the file atomically. */
const saveConfig = (folder: string, recipe: Recipe, name: string | null): Promise<void> => {
  const text = `${JSON.stringify({ effuse: version, recipe: name, ...recipe }, null, 2)}\n`
  return writeFileAtomic(join(folder, configName), new TextEncoder().encode(text))
}

export interface SavedConfig {
  readonly settings: Recipe
  /** The recipe from which it was made; null if there was none. */
  readonly recipe: string | null
  /** The file. */
  readonly bytes: Uint8Array
}

/** Other programs also write files with this name, for example timm beside its weights. */
export const isRun = async (folder: string): Promise<boolean> => {
  try {
    return writerOf(parseObject(await configText(folder), '')) !== null
  } catch {
    return false
  }
}

const configText = async (folder: string): Promise<string> =>
  new TextDecoder().decode(await readFile(join(folder, configName)))

/** The version of effuse that wrote a configuration; null if another program wrote it. */
const writerOf = (config: { readonly [name: string]: unknown }): string | null =>
  'effuse' in config ? String(config['effuse']) : null

/** @throws EffuseError EF501 (no run there), EF403 (damaged, or settings of another version) */
export const readConfig = async (folder: string): Promise<SavedConfig> => {
  const path = join(folder, configName)
  const noRun = (cause?: unknown): EffuseError =>
    new EffuseError({
      code: 'EF501',
      message: `there is no run in ${folder}: it has no ${configName} that effuse wrote`,
      hint: 'name the folder of a run, which `effuse train --out` creates',
      cause,
    })
  const text = await configText(folder).catch((error: unknown) => {
    const isMissing = ['ENOENT', 'ENOTDIR'].includes(
      systemCode(error instanceof EffuseError ? error.cause : null) ?? '',
    )
    throw isMissing ? noRun(error) : error
  })
  const found = parseObject(text, path)
  const writer = writerOf(found)
  if (writer === null) throw noRun()
  const { recipe } = found
  try {
    const settings = resolveRecipe(parseRecipe(text, path))
    return { settings, recipe: typeof recipe === 'string' ? recipe : null, bytes: new TextEncoder().encode(text) }
  } catch (error) {
    if (!(error instanceof EffuseError) || writer === version) throw error
    const hint = `effuse ${writer} wrote ${path}, and this is ${version}`
    throw new EffuseError({ code: error.code, message: error.message, hint, cause: error })
  }
}

export const hasCheckpoint = async (folder: string): Promise<boolean> => stepNames(await namesIn(folder)).length > 0

/** A short name for a run. */
const runName = ({ model, data }: Recipe, recipe: string | null): string =>
  recipe === null
    ? [model, data].map((part) => basename(part).replace(/[^\w.-]+/g, '-')).join('-')
    : basename(recipe, '.json')

/**
 * The file of weights for a path: the file itself, or the best or latest checkpoint of a run's folder.
 * @throws EffuseError EF501 if there is none.
 */
export const checkpointIn = async (path: string, prefer: 'best' | 'latest'): Promise<string> => {
  const names = await folderNames(path)
  return names === null ? path : join(path, checkpointAmong(names, prefer, path))
}

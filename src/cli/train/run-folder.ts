/** The folder of a run: its resolved configuration, made before the first step, and the checkpoints and metrics that come after. */
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
import { lockStart } from '../../train/directory-lock.ts'
import { version } from '../common.ts'

export const configName = 'config.json'

interface Beginning {
  readonly folder: string | undefined
  readonly resumed: SavedConfig | null
  readonly recipe: Recipe
  readonly recipeName: string | null
}

/** The folder of a run that goes on: taken, with its settings in it. */
export interface RunFolder {
  readonly path: string
  /** Its checkpoints, for fit(); the settings stay beside them. */
  readonly checkpoints: CheckpointStore
  /** Where the run can be gone on with; null where its folder is gone and nothing could be kept. */
  place(): Promise<string | null>
  /** Lets others have it. */
  release(): Promise<void>
  /** Takes back what was done, for a run that could not start. */
  undo(): Promise<void>
}

/**
 * The folder that a run goes to, with its settings in it: a new one, or the one that it goes on in.
 * @param say Told where something has to be put right while the run goes on.
 * @throws EffuseError EF601, EF501, EF508 (another run has it)
 */
export const openRunFolder = async (
  { folder, resumed, recipe, recipeName }: Beginning,
  say: (line: string) => void,
): Promise<RunFolder> => {
  const isNew = resumed === null || folder === undefined
  const path = isNew ? await makeRunFolder(folder, runName(recipe, recipeName)) : folder
  const store = directory(path)
  const lock = await lockOf(store)
  const undo = async (): Promise<void> => {
    // Why the run could not start is to be told, not why this fails.
    if (resumed !== null) await saveConfig(path, resumed.settings, resumed.recipe).catch(() => undefined)
    else await rm(join(path, configName), { force: true })
    await lock.release()
    if (resumed === null) await rmdir(path).catch(() => undefined) // something else is in it by now
  }
  try {
    if (isNew && folder !== undefined) await checkUnused(folder) // another may have come before the lock
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
      lock: () => Promise.resolve({ release: () => Promise.resolve() }), // it is taken, and for longer
      write: async (name, bytes) => {
        await store.write(name, bytes)
        if (await isRun(path)) return
        await saveConfig(path, recipe, recipeName)
        say(`note: ${configName} was missing in ${path}, and is written again`)
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
    undo,
  }
}

const lockOf = async (store: CheckpointStore): Promise<StoreLock> =>
  (await store.lock?.()) ?? { release: () => Promise.resolve() }

/**
 * A folder for a new run: the one given, which must be new or empty, or `runs/<name>`, `runs/<name>-2` and so on, the first that is not there.
 * @throws EffuseError EF601 (there is something in it), EF501 (it cannot be made).
 */
const makeRunFolder = async (given: string | undefined, name: string): Promise<string> => {
  if (given === '') throw new EffuseError({ code: 'EF601', message: '--out must name a folder, got ""' })
  if (given !== undefined) {
    await checkUnused(given)
    await made(given, true)
    return given
  }
  await made('runs', true)
  for (let n = 1; ; n++) {
    const folder = join('runs', n === 1 ? name : `${name}-${n}`)
    if (await made(folder, false)) return folder
  }
}

/** @throws EffuseError EF601 where there is something in it */
const checkUnused = async (folder: string): Promise<void> => {
  const inside = (await namesIn(folder)).filter((name) => !name.startsWith(lockStart))
  if (await isRun(folder))
    throw new EffuseError({
      code: 'EF601',
      message: `--out ${folder} holds a run already`,
      hint: `go on with it: effuse train --resume ${folder}; or choose another folder`,
    })
  if (inside.length > 0)
    throw new EffuseError({
      code: 'EF601',
      message: `--out ${folder} is not empty: it holds ${shortList(inside, 3)}`,
      hint: 'choose a new folder',
    })
}

/** Names in a folder; none where there is no folder. */
const namesIn = async (folder: string): Promise<readonly string[]> => {
  try {
    return await readdir(folder)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return []
    throw fileError(error, folder, 'write')
  }
}

/** False: it was there already, and `mayBeThere` is false. */
const made = async (folder: string, mayBeThere: boolean): Promise<boolean> => {
  try {
    await mkdir(folder, { recursive: mayBeThere })
    return true
  } catch (error) {
    if (!mayBeThere && systemCode(error) === 'EEXIST') return false
    throw fileError(await reasonOf(error, folder), folder, 'write')
  }
}

/** Node says ENOENT of folders that cannot be made on a disk that is read-only: the first one that is missing tells the reason. */
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

/** Written whole or not at all. */
const saveConfig = (folder: string, recipe: Recipe, name: string | null): Promise<void> => {
  const text = `${JSON.stringify({ effuse: version, recipe: name, ...recipe }, null, 2)}\n`
  return writeFileAtomic(join(folder, configName), new TextEncoder().encode(text))
}

export interface SavedConfig {
  readonly settings: Recipe
  /** The recipe that it was made from, null where there was none. */
  readonly recipe: string | null
}

/** Other programs have files of that name, too: timm beside its weights. */
export const isRun = async (folder: string): Promise<boolean> => {
  try {
    return writerOf(parseObject(await configText(folder), '')) !== null
  } catch {
    return false
  }
}

const configText = async (folder: string): Promise<string> =>
  new TextDecoder().decode(await readFile(join(folder, configName)))

/** The version of effuse that wrote a configuration; null where another program did. */
const writerOf = (config: { readonly [name: string]: unknown }): string | null =>
  'effuse' in config ? String(config['effuse']) : null

/** @throws EffuseError EF501 (no run there), EF403 (damaged, or settings of another version) */
export const readConfig = async (folder: string): Promise<SavedConfig> => {
  const path = join(folder, configName)
  const noRun = (cause?: unknown): EffuseError =>
    new EffuseError({
      code: 'EF501',
      message: `there is no run in ${folder}: no ${configName} of effuse's`,
      hint: 'a run is the folder that `effuse train --out` names',
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
    return { settings: resolveRecipe(parseRecipe(text, path)), recipe: typeof recipe === 'string' ? recipe : null }
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
 * The file of weights that a path stands for: the file itself, or of a run's folder the best or the latest checkpoint.
 * @throws EffuseError EF501 where there is none.
 */
export const checkpointIn = async (path: string, prefer: 'best' | 'latest'): Promise<string> => {
  const names = await folderNames(path)
  return names === null ? path : join(path, checkpointAmong(names, prefer, path))
}

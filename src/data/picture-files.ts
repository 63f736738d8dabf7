/** Finds pictures in folders by the endings of their names. Node only. */
import { readdir, realpath, stat } from 'node:fs/promises'
import { extname, join, sep } from 'node:path'
import { EffuseError, showGiven } from '../ir/diagnostics.ts'
import { fileError } from '../platform/node-file-error.ts'

const extensions = /\.(jpe?g|jfif|png|webp|gif|tiff?|avif)$/i
export const extensionsHint =
  'pictures are files whose names end in .jpg, .jpeg, .jfif, .png, .webp, .gif, .tif, .tiff or .avif'

export interface ListImagesOptions {
  /** Receives a notice on files in a folder that are not read, with their number by ending. */
  readonly onNotice?: ((notice: string) => void) | undefined
}

/**
 * The pictures at the given paths: files as they are, and of a folder all pictures in it and in the folders inside, sorted, except hidden ones and
 * node_modules.
 *
 * @throws EffuseError EF501 (no such path), EF507 (a folder without pictures), EF403 (not a list).
 * @example
 * for (const path of await listImages(['cat.jpg', 'flowers'])) console.log(path)
 */
export const listImages = async (
  paths: readonly string[],
  options: ListImagesOptions = {},
): Promise<readonly string[]> => {
  // Rejects a text, which would be read as a list of characters; "/" would then mean the whole disk.
  if (!Array.isArray(paths) || paths.some((path) => typeof path !== 'string'))
    throw new EffuseError({ code: 'EF403', message: `listImages() takes a list of paths, got ${showGiven(paths)}` })
  const all: string[] = []
  for (const path of paths) {
    if (!(await isFolder(path))) {
      all.push(path)
      continue
    }
    const others = otherFiles()
    const inside = await picturesIn(path, others.note)
    const notice = others.told(path)
    if (notice !== null && inside.length > 0) options.onNotice?.(notice)
    if (inside.length === 0)
      throw new EffuseError({
        code: 'EF507',
        message: `the folder ${path} has no pictures${notice === null ? '' : `: ${notice}`}`,
        hint: notice === null ? extensionsHint : undefined,
      })
    all.push(...inside.map((name) => join(path, name)))
  }
  return all
}

/** @throws EffuseError EF501 if the path does not exist */
export const isFolder = async (path: string): Promise<boolean> => {
  try {
    return (await stat(path)).isDirectory()
  } catch (error) {
    throw fileError(error, path, 'read')
  }
}

/**
 * The pictures in a folder and in the folders inside, as relative paths with slashes. They are sorted by code unit, so the order is the same on every
 * system. It follows links and ignores node_modules and hidden files and folders, whose names begin with a dot. A folder may have a name like a picture.
 *
 * @param onOther Receives the name of each file with another ending.
 * @throws EffuseError EF501 if a folder cannot be read
 */
export const picturesIn = async (
  folder: string,
  onOther: (name: string) => void = () => undefined,
): Promise<readonly string[]> => {
  const found: string[] = []
  const take = (path: string): void => void (extensions.test(path) ? found.push(path) : onOther(path))
  await collect(folder, '', new Set(), take)
  return found.sort()
}

/** @param above The real paths of the parent folders, outermost first, because links may lead back to them. */
const collect = async (
  folder: string,
  prefix: string,
  above: ReadonlySet<string>,
  take: (path: string) => void,
): Promise<void> => {
  const real = await realpath(folder).catch((error: unknown) => {
    throw fileError(error, folder, 'read')
  })
  const [first = real] = above
  if (above.has(real) || (above.size > 0 && first.startsWith(real.endsWith(sep) ? real : real + sep))) return
  for (const { name, isFolder } of await visibleEntries(folder)) {
    if (isFolder) await collect(join(folder, name), `${prefix}${name}/`, new Set([...above, real]), take)
    else take(prefix + name)
  }
}

export interface Entry {
  readonly name: string
  readonly isFolder: boolean
}

/** Is it hidden, or the folder of a project's packages, some of which contain pictures? */
const isLeftOut = (name: string): boolean => name.startsWith('.') || name === 'node_modules'

/** The entries of a folder, without hidden names and node_modules. It follows links. @throws EffuseError EF501 */
export const visibleEntries = async (folder: string): Promise<readonly Entry[]> => {
  try {
    const entries = await readdir(folder, { withFileTypes: true })
    const visible = entries.filter(({ name }) => !isLeftOut(name))
    return await Promise.all(
      visible.map(async (entry) => ({
        name: entry.name,
        // A broken link counts as a file; reading it reports the fault.
        isFolder: entry.isSymbolicLink()
          ? await isFolder(join(folder, entry.name)).catch(() => false)
          : entry.isDirectory(),
      })),
    )
  } catch (error) {
    throw fileError(error, folder, 'read')
  }
}

/** Counts files with other endings. `told` returns one sentence on all of them, or null if there are none. */
export interface OtherFiles {
  note(name: string): void
  told(folder: string): string | null
}

export const otherFiles = (): OtherFiles => {
  const counts = new Map<string, number>()
  return {
    note: (name) => {
      const ending = extname(name).toLowerCase()
      counts.set(ending, (counts.get(ending) ?? 0) + 1)
    },
    told: (folder) => {
      if (counts.size === 0) return null
      const sorted = [...counts].sort(([, a], [, b]) => b - a)
      const total = sorted.reduce((sum, [, count]) => sum + count, 0)
      const listed = sorted
        .slice(0, 8)
        .map(([ending, count]) => `${count} ${ending === '' ? 'without an ending' : ending}`)
      const rest = sorted.length > 8 ? ` and ${sorted.length - 8} other endings` : ''
      return `${total} file${total === 1 ? '' : 's'} in ${folder} ${total === 1 ? 'is' : 'are'} not read, because of the ending: ${listed.join(', ')}${rest}; ${extensionsHint}`
    },
  }
}

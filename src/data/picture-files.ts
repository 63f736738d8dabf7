/** Which files are pictures, by name. Node only. */
import { readdir, realpath, stat } from 'node:fs/promises'
import { extname, join, sep } from 'node:path'
import { EffuseError, showGiven } from '../ir/diagnostics.ts'
import { fileError } from '../platform/node-file-error.ts'

const extensions = /\.(jpe?g|jfif|png|webp|gif|tiff?|avif)$/i
export const extensionsHint =
  'names ending in .jpg, .jpeg, .jfif, .png, .webp, .gif, .tif, .tiff or .avif are looked for'

export interface ListImagesOptions {
  /** Told of the files in a folder that are left out for their endings, counted by ending. */
  readonly onNotice?: ((notice: string) => void) | undefined
}

/**
 * The pictures that paths stand for: files as they are, folders by the pictures in them (sorted, folders inside
 * included, but hidden ones and node_modules).
 *
 * @throws EffuseError EF501 (no such path), EF507 (a folder without pictures), EF403 (no list).
 * @example
 * for (const path of await listImages(['cat.jpg', 'flowers'])) console.log(path)
 */
export const listImages = async (
  paths: readonly string[],
  options: ListImagesOptions = {},
): Promise<readonly string[]> => {
  // A text is a list of characters, and "/" the whole disk.
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
        message: `the folder ${path} holds no pictures${notice === null ? '' : `: ${notice}`}`,
        hint: notice === null ? extensionsHint : undefined,
      })
    all.push(...inside.map((name) => join(path, name)))
  }
  return all
}

/** @throws EffuseError EF501 where there is nothing of this name. */
export const isFolder = async (path: string): Promise<boolean> => {
  try {
    return (await stat(path)).isDirectory()
  } catch (error) {
    throw fileError(error, path, 'read')
  }
}

/**
 * The pictures in a folder and in the folders inside, as paths from it with slashes, sorted by code unit: the same on every system. Links are
 * followed; hidden files and folders, whose names begin with a dot, and node_modules are left out. Folders may have names like pictures.
 *
 * @param onOther told the name of each file that is left out for its ending.
 * @throws EffuseError EF501: a folder that cannot be read is an error, not an empty one.
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

/** @param above real paths of the folders on the way here, the first one first: links may lead in circles, and out of it to what holds it. */
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

/** Hidden files and folders, and the packages of a project, some of which hold pictures. */
const isLeftOut = (name: string): boolean => name.startsWith('.') || name === 'node_modules'

/** What a folder holds, links followed, without hidden names and node_modules. @throws EffuseError EF501 */
export const visibleEntries = async (folder: string): Promise<readonly Entry[]> => {
  try {
    const entries = await readdir(folder, { withFileTypes: true })
    const visible = entries.filter(({ name }) => !isLeftOut(name))
    return await Promise.all(
      visible.map(async (entry) => ({
        name: entry.name,
        // A link to nothing counts as a file: reading it will say so.
        isFolder: entry.isSymbolicLink()
          ? await isFolder(join(folder, entry.name)).catch(() => false)
          : entry.isDirectory(),
      })),
    )
  } catch (error) {
    throw fileError(error, folder, 'read')
  }
}

/** Files that are left out for their endings, counted: one sentence for all, null where there are none. */
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
      return `${total} file${total === 1 ? '' : 's'} in ${folder} ${total === 1 ? 'is' : 'are'} not read, for the ending: ${listed.join(', ')}${rest}; ${extensionsHint}`
    },
  }
}

/** Reads the layout of an image folder: which folders are which classes. */
import { join } from 'node:path'
import { shortList } from '../ir/listed.ts'
import { EffuseError } from '../ir/diagnostics.ts'
import { extensionsHint, isFolder, type OtherFiles, picturesIn, visibleEntries } from './picture-files.ts'

/** Pictures with their class indices. Classes are in the order of their names; the pictures of each class are sorted. */
export interface Listed {
  readonly classes: readonly string[]
  /** Paths. */
  readonly files: readonly string[]
  readonly labels: Int32Array<ArrayBuffer>
}

/** A folder named after a class. */
export interface ClassFolder {
  readonly name: string
  /** Path of the folder itself. */
  readonly folder: string
  /** Sorted paths relative to the folder, with slashes. */
  readonly files: readonly string[]
}

export type Layout =
  | { readonly kind: 'split'; readonly train: readonly ClassFolder[]; readonly test: readonly ClassFolder[] }
  | { readonly kind: 'train' | 'whole'; readonly all: readonly ClassFolder[] }
  | { readonly kind: 'test'; readonly test: readonly ClassFolder[]; readonly held: string }

/**
 * Reads a layout. A folder with `train/<class>/*` and `val/<class>/*` or `test/<class>/*` is split; `val` is preferred. With only one of the parts it
 * has that part, and `<class>/*` is a whole data set.
 *
 * @param others Counts files in the classes whose names have other endings than those of pictures.
 * @throws EffuseError EF501 (no such folder), EF507 (no classes, a class without pictures, classes that differ).
 */
export const readLayout = async (path: string, others: OtherFiles): Promise<Layout> => {
  if (!(await isFolder(path)))
    throw new EffuseError({ code: 'EF501', message: `cannot read ${path}: expected a folder, it is a file` })
  const folders = (await visibleEntries(path)).filter((entry) => entry.isFolder).map((entry) => entry.name)
  const held = ['val', 'test'].find((name) => folders.includes(name))
  if (!folders.includes('train')) {
    if (held === undefined) return { kind: 'whole', all: await classFolders(path, others) }
    return { kind: 'test', test: await classFolders(join(path, held), others), held }
  }
  const train = await classFolders(join(path, 'train'), others)
  if (held === undefined) return { kind: 'train', all: train }
  const test = await classFolders(join(path, held), others)
  checkSame(train, test, { path, held })
  return { kind: 'split', train, test }
}

const classFolders = async (path: string, others: OtherFiles): Promise<readonly ClassFolder[]> => {
  const names = (await visibleEntries(path)).filter((entry) => entry.isFolder).map((entry) => entry.name)
  if (names.length === 0)
    throw new EffuseError({
      code: 'EF507',
      message: `${path} has no folders of classes`,
      hint: 'expected a folder for each class, named after it, with its pictures inside',
    })
  const found: ClassFolder[] = []
  for (const name of names.sort()) {
    const folder = join(path, name)
    found.push({ name, folder, files: await picturesIn(folder, others.note) })
  }
  const empty = found.filter(({ files }) => files.length === 0)
  if (empty.length > 0)
    throw new EffuseError({
      code: 'EF507',
      message: `${empty.length} of the ${found.length} classes in ${path} have no pictures: ${shortList(empty.map(({ name }) => name))}`,
      hint: `${extensionsHint}; remove folders that are not classes`,
    })
  return found
}

const checkSame = (
  train: readonly ClassFolder[],
  test: readonly ClassFolder[],
  { path, held }: { readonly path: string; readonly held: string },
): void => {
  const only = (these: readonly ClassFolder[], others: readonly ClassFolder[]): readonly string[] => {
    const known = new Set(others.map(({ name }) => name))
    return these.map(({ name }) => name).filter((name) => !known.has(name))
  }
  const differences = [
    ['train', only(train, test)],
    [held, only(test, train)],
  ] as const
  const faults = differences.filter(([, names]) => names.length > 0)
  if (faults.length === 0) return
  throw new EffuseError({
    code: 'EF507',
    message: `train/ and ${held}/ in ${path} have different classes: ${faults.map(([where, names]) => `only in ${where}/: ${shortList(names, 10)}`).join('; ')}`,
    hint: 'labels are indices in the sorted list of folders, so the lists must be equal',
  })
}

/** All pictures of the classes, one class after the other. */
export const listed = (classes: readonly ClassFolder[]): Listed => ({
  classes: classes.map(({ name }) => name),
  files: classes.flatMap(({ folder, files }) => files.map((file) => join(folder, file))),
  labels: Int32Array.from(classes.flatMap(({ files }, label) => files.map(() => label))),
})

/**
 * The folders that `effuse setup tensorflow` writes, and the search for packages. Setup and the backend share this file. Node only.
 *
 * <cache>/tensorflow/<version>-<kind>/setup.json                 written before the folder gets its name, so a folder with this name is complete
 * <cache>/tensorflow/<version>-<kind>/site-packages/tensorflow   the libraries and the headers, as in the wheel
 * <cache>/tensorflow/packages/<package>/node_modules             a package that the project does not have, with its dependencies
 * <cache>/tensorflow/bindings/<key>/lib, deps                    tfjs-node's binding; a project's package has links to both folders
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, sep } from 'node:path'
import { cacheFolder } from '../../platform/node-cache.ts'

export const tensorflowCache = (): string => join(cacheFolder(), 'tensorflow')
/** The folder where npm installs a package that the project does not have. */
export const packagePrefix = (name: string): string => join(tensorflowCache(), 'packages', name.replace('/', '+'))
export const versionFolder = (version: string, kind: string): string => join(tensorflowCache(), `${version}-${kind}`)
/** The folder of the libraries, in the folder of a version. */
export const librariesPart = join('site-packages', 'tensorflow')
/** The description of a version, in its folder. */
export const setupFile = 'setup.json'

/** The content of setup.json. */
export interface Installed {
  readonly version: string
  readonly kind: 'cpu' | 'gpu'
  /** The sizes of all libraries in bytes, by their paths in the folder. They reveal files that are missing or cut short. */
  readonly libraries: { readonly [path: string]: number }
}

/** The names of the two libraries: first those of the wheel, then those of a stock libtensorflow. */
export const libraryNames: { readonly framework: readonly string[]; readonly main: readonly string[] } =
  process.platform === 'darwin'
    ? {
        framework: ['libtensorflow_framework.2.dylib', 'libtensorflow_framework.dylib'],
        main: ['libtensorflow_cc.2.dylib', 'libtensorflow.2.dylib', 'libtensorflow.dylib'],
      }
    : {
        framework: ['libtensorflow_framework.so.2', 'libtensorflow_framework.so'],
        main: ['libtensorflow_cc.so.2', 'libtensorflow.so.2', 'libtensorflow.so'],
      }

export interface FoundPackage {
  readonly name: string
  readonly version: string
  readonly folder: string
  /** True if the project has it, false if setup installed it. */
  readonly isProject: boolean
}

/** The files from which Node searches the project's packages: effuse's own, and package.json in the current folder. */
const projectFiles = (): readonly string[] => [import.meta.url, join(process.cwd(), 'package.json')]

/** A package of the project, otherwise one that setup installed; null if there is none. `project`: files of another project, for tests. */
export const findPackage = (name: string, project: readonly string[] = projectFiles()): FoundPackage | null => {
  return findFrom(project, name, true) ?? findFrom([join(packagePrefix(name), 'package.json')], name, false)
}

/** Reads package.json as a file, because not every package exports it. */
const findFrom = (froms: readonly string[], name: string, isProject: boolean): FoundPackage | null => {
  for (const from of froms)
    for (const place of createRequire(from).resolve.paths(name) ?? []) {
      const folder = join(place, ...name.split('/'))
      const version = versionIn(join(folder, 'package.json'))
      // Every list of paths has Node's global folders, which do not belong to a project.
      if (version !== null && place.includes(`${sep}node_modules`)) return { name, version, folder, isProject }
    }
  return null
}

const versionIn = (file: string): string | null => {
  try {
    const { version }: { readonly version?: unknown } = JSON.parse(readFileSync(file, 'utf8'))
    return typeof version === 'string' ? version : null
  } catch {
    return null
  }
}

/**
 * Where `effuse setup tensorflow` puts things, and where packages are looked for: the one place that setup and the backend share. Node only.
 *
 * <cache>/tensorflow/<version>-<kind>/setup.json                 written before the folder gets its name, so a folder of that name is complete
 * <cache>/tensorflow/<version>-<kind>/site-packages/tensorflow   the libraries and the headers, as in the wheel
 * <cache>/tensorflow/packages/<package>/node_modules             a package that the project lacks, with all that it needs
 * <cache>/tensorflow/bindings/<key>/lib, deps                    tfjs-node's binding; a project's package has links to both folders
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, sep } from 'node:path'
import { cacheFolder } from '../../platform/node-cache.ts'

export const tensorflowCache = (): string => join(cacheFolder(), 'tensorflow')
/** Where npm installs a package that the project lacks. */
export const packagePrefix = (name: string): string => join(tensorflowCache(), 'packages', name.replace('/', '+'))
export const versionFolder = (version: string, kind: string): string => join(tensorflowCache(), `${version}-${kind}`)
/** In a version's folder: the folder of the libraries. */
export const librariesPart = join('site-packages', 'tensorflow')
/** In a version's folder: what it is. */
export const setupFile = 'setup.json'

/** The content of setup.json. */
export interface Installed {
  readonly version: string
  readonly kind: 'cpu' | 'gpu'
  /** Sizes in bytes of all libraries, by their paths in the folder: what is missing or cut short is noticed. */
  readonly libraries: { readonly [path: string]: number }
}

/** Names of the two libraries, the wheel's first, then those of a stock libtensorflow. */
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
  /** Is it the project's, or was it installed by setup? */
  readonly isProject: boolean
}

/** Files from which the project's packages are looked for: effuse is installed beside them, or the current folder is the project's. */
const projectFiles = (): readonly string[] => [import.meta.url, join(process.cwd(), 'package.json')]

/** A package as the project has it, otherwise as setup installed it; null if it is nowhere. `project`: another one, for tests. */
export const findPackage = (name: string, project: readonly string[] = projectFiles()): FoundPackage | null => {
  return findFrom(project, name, true) ?? findFrom([join(packagePrefix(name), 'package.json')], name, false)
}

/** Reads package.json itself: not every package exports it. */
const findFrom = (froms: readonly string[], name: string, isProject: boolean): FoundPackage | null => {
  for (const from of froms)
    for (const place of createRequire(from).resolve.paths(name) ?? []) {
      const folder = join(place, ...name.split('/'))
      const version = versionIn(join(folder, 'package.json'))
      // Node's global folders are in every list of paths; nothing of a project lies there.
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

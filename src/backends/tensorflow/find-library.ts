/**
 * Finds TensorFlow's C library, and koffi, which calls it. It reads only file names and a few bytes, because loading the library takes seconds and 800
 * MB. Node only.
 */
import {
  closeSync,
  existsSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  realpathSync,
  statSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join, resolve } from 'node:path'
import { EffuseError } from '../../ir/diagnostics.ts'
import { findPackage, type Installed, librariesPart, libraryNames, setupFile, tensorflowCache } from './places.ts'

export interface TensorflowLibrary {
  /** `2.21.0`; 'unknown' if no file name beside the library tells it. Once the library is loaded, TF_Version tells it. */
  readonly version: string
  /** Path of libtensorflow_framework.so.2. */
  readonly framework: string
  /** Path of libtensorflow_cc.so.2, or of libtensorflow.so of a stock installation, which has the same C API. */
  readonly main: string
  readonly kind: 'cpu' | 'gpu'
  readonly source: 'setup' | 'tfjs-node' | 'tfjs-node-gpu' | 'EFFUSE_TENSORFLOW'
}

export interface MissingTensorflow {
  /** What is missing, or why the library that was found cannot be used. */
  readonly missing: string
  /** The command that repairs it. */
  readonly fix: string
}

const setupCommand = 'npx effuse setup tensorflow'
const fixOfVariable = `set EFFUSE_TENSORFLOW to a folder with both libraries, or unset it and run: ${setupCommand}`

/** The hint for a library that was found but does not load. */
export const hintFor = ({ source }: TensorflowLibrary): string =>
  source === 'EFFUSE_TENSORFLOW'
    ? fixOfVariable
    : source === 'setup'
      ? `${setupCommand} --remove, then ${setupCommand}`
      : setupCommand

/**
 * Searches in this order: the folder in the environment variable EFFUSE_TENSORFLOW; what `effuse setup tensorflow` installed (GPU before CPU); the library
 * that came with tfjs-node-gpu or tfjs-node. If EFFUSE_TENSORFLOW is set and its folder has no library, the search ends there with an error.
 *
 * @param project Files of the project whose packages are searched; default: the running project. For tests
 */
export const findTensorflow = (project?: readonly string[]): TensorflowLibrary | MissingTensorflow => {
  const given = process.env['EFFUSE_TENSORFLOW']
  if (given !== undefined && given !== '') return fromVariable(resolve(given))
  return (
    fromSetup() ??
    fromPackage('tfjs-node-gpu', project) ??
    fromPackage('tfjs-node', project) ?? { missing: "TensorFlow's library is not installed", fix: setupCommand }
  )
}

/** The same for callers that need the library. @throws EffuseError EF404 with the command that installs it */
export const requireTensorflow = (): TensorflowLibrary => {
  const found = findTensorflow()
  if ('missing' in found) throw new EffuseError({ code: 'EF404', message: found.missing, hint: found.fix })
  return found
}

const fromVariable = (folder: string): TensorflowLibrary | MissingTensorflow => {
  const places = ['', 'lib', 'tensorflow', 'site-packages/tensorflow', 'deps/lib'].map((part) => join(folder, part))
  const problems: string[] = []
  for (const place of places) {
    const files = librariesIn(place)
    if (files === null) continue
    const problem = problemOf(files)
    if (problem === null) return { ...files, ...describe(files.main), source: 'EFFUSE_TENSORFLOW' }
    problems.push(problem)
  }
  const detail = problems[0] ?? `it has no ${libraryNames.main[0]} beside a ${libraryNames.framework[0]}`
  return {
    missing: `EFFUSE_TENSORFLOW is ${folder}: ${existsSync(folder) ? detail : 'there is no such folder'}`,
    fix: fixOfVariable,
  }
}

/** If there are several versions of a kind, takes the one that setup was last called for. */
const fromSetup = (): TensorflowLibrary | MissingTensorflow | null => {
  const cache = tensorflowCache()
  const candidates = namesIn(cache)
    .flatMap((name) => {
      const kind = /^\d+\.\d+\.\d+-(cpu|gpu)$/.exec(name)?.[1]
      const file = join(cache, name, setupFile)
      const status = kind === undefined ? undefined : statSync(file, { throwIfNoEntry: false })
      return status === undefined ? [] : [{ folder: join(cache, name), kind, at: status.mtimeMs }]
    })
    .sort((a, b) => (a.kind === b.kind ? b.at - a.at : a.kind === 'gpu' ? -1 : 1))
  let broken: MissingTensorflow | null = null
  for (const { folder, kind } of candidates) {
    const found = readVersion(folder)
    if (typeof found !== 'string') return { ...found, source: 'setup' }
    broken ??= { missing: found, fix: kind === 'gpu' ? `${setupCommand} --gpu` : setupCommand }
  }
  return broken
}

/** What is wrong with a folder that setup made; null if it is complete. */
export const problemOfInstalled = (folder: string): string | null => {
  const found = readVersion(folder)
  return typeof found === 'string' ? found : null
}

const readVersion = (folder: string): (Files & Pick<Installed, 'version' | 'kind'>) | string => {
  const installed = readInstalled(folder)
  const files = librariesIn(join(folder, librariesPart))
  if (files === null || installed === null) return `${folder} lacks files that setup put there`
  for (const [path, bytes] of Object.entries(installed.libraries)) {
    const size = statSync(join(folder, path), { throwIfNoEntry: false })?.size
    if (size !== bytes)
      return `${join(folder, path)} ${size === undefined ? 'is missing' : `should have ${bytes} bytes, but has ${size}`}`
  }
  return problemOf(files) ?? { ...files, version: installed.version, kind: installed.kind }
}

const readInstalled = (folder: string): Installed | null => {
  try {
    const { version, kind, libraries }: { readonly [K in keyof Installed]?: unknown } = JSON.parse(
      readFileSync(join(folder, setupFile), 'utf8'),
    )
    const isKind = kind === 'cpu' || kind === 'gpu'
    if (typeof version !== 'string' || !isKind || typeof libraries !== 'object' || libraries === null) return null
    return { version, kind, libraries: libraries as Installed['libraries'] } // each value is compared with a number, so other types count as wrong sizes
  } catch {
    return null
  }
}

/** The libtensorflow that the package itself downloaded. Links that setup made do not count. */
const fromPackage = (
  source: 'tfjs-node' | 'tfjs-node-gpu',
  project: readonly string[] | undefined,
): TensorflowLibrary | null => {
  const found = findPackage(`@tensorflow/${source}`, project)
  if (found === null) return null
  const folder = join(found.folder, 'deps')
  if (lstatSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) return null
  const files = librariesIn(join(folder, 'lib'))
  if (files === null || problemOf(files) !== null) return null
  return { ...files, version: describe(files.main).version, kind: source === 'tfjs-node' ? 'cpu' : 'gpu', source }
}

interface Files {
  readonly framework: string
  readonly main: string
}

const librariesIn = (folder: string): Files | null => {
  const first = (names: readonly string[]): string | undefined =>
    names.map((name) => join(folder, name)).find((file) => existsSync(file))
  const [framework, main] = [first(libraryNames.framework), first(libraryNames.main)]
  return framework === undefined || main === undefined ? null : { framework, main }
}

/** Version and kind of a library that setup did not install, from the names of files. */
const describe = (main: string): { readonly version: string; readonly kind: 'cpu' | 'gpu' } => {
  const file = realpathSync(main)
  const sitePackages = dirname(dirname(file))
  const wheel = namesIn(sitePackages)
    .map((name) => /^tensorflow(_cpu)?-(\d+\.\d+\.\d+)\.dist-info$/.exec(name))
    .find((match) => match !== null)
  const inName = /\.so\.(\d+\.\d+\.\d+)$|\.(\d+\.\d+\.\d+)\.dylib$/.exec(basename(file))
  return {
    version: wheel?.[2] ?? inName?.[1] ?? inName?.[2] ?? 'unknown',
    kind: existsSync(join(sitePackages, 'nvidia')) ? 'gpu' : 'cpu',
  }
}

const namesIn = (folder: string): readonly string[] => {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/** Checks by the first bytes that both files are libraries for this machine. Returns what is wrong, or null. */
const problemOf = ({ framework, main }: Files): string | null => {
  for (const file of [framework, main]) {
    const found = machineOf(file)
    const wanted = `${process.platform === 'darwin' ? 'macOS' : 'Linux'} ${process.arch}`
    if (found !== wanted && found !== 'macOS') return `${file} is ${found ?? 'no library'}, and ${wanted} is needed`
  }
  return null
}

/** System and processor from the header of ELF or Mach-O, such as 'Linux x64'; 'macOS' for a file for several processors; null for other files. */
const machineOf = (file: string): string | null => {
  const head = headOf(file)
  if (head === null) return null
  const magic = head.readUInt32BE(0)
  if (magic === 0x7f454c46) {
    const machine = head.readUInt16LE(18)
    return `Linux ${machine === 0x3e ? 'x64' : machine === 0xb7 ? 'arm64' : `machine ${machine}`}`
  }
  if (magic === 0xcafebabe) return process.platform === 'darwin' ? 'macOS' : 'a library of macOS'
  if (magic === 0xcffaedfe) return `macOS ${head.readUInt32LE(4) === 0x0100000c ? 'arm64' : 'x64'}`
  return null
}

const headOf = (file: string): Buffer | null => {
  try {
    const descriptor = openSync(file, 'r')
    try {
      const head = Buffer.alloc(20)
      return readSync(descriptor, head, 0, head.length, 0) === head.length ? head : null
    } finally {
      closeSync(descriptor)
    }
  } catch {
    return null
  }
}

/** The package koffi. */
export type Koffi = typeof import('koffi')

/** Loads koffi from the project, or from setup's cache. @throws EffuseError EF404 if it is missing or does not load */
export const loadKoffi = (): Koffi => {
  const found = findPackage('koffi')
  const hint = `npm install koffi@3, or: ${setupCommand}`
  if (found === null)
    throw new EffuseError({
      code: 'EF404',
      message: 'the package koffi, which calls TensorFlow, is not installed',
      hint,
    })
  try {
    return createRequire(join(found.folder, 'package.json'))(found.folder) as Koffi // require() has no types
  } catch (cause) {
    const detail = cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : String(cause)
    throw new EffuseError({ code: 'EF404', message: `${found.folder} does not load: ${detail}`, hint, cause })
  }
}

/**
 * Compiles tfjs-node's binding against the library in the cache, with the package's own recipe, in a scratch folder. The result stays in the cache with
 * links to the libraries. The package gets two links. `npm ci` removes them, and setup makes them again.
 */
import { createHash } from 'node:crypto'
import { existsSync, realpathSync } from 'node:fs'
import { cp, lstat, mkdir, readdir, readFile, readlink, rm, symlink } from 'node:fs/promises'
import { dirname, join, relative, sep } from 'node:path'
import { librariesPart, libraryNames, tensorflowCache, type FoundPackage } from '../backends/tensorflow/places.ts'
import { bindingFile, checkBinding, type BindingCheck } from '../backends/tensorflow/tfjs-node.ts'
import { EffuseError } from '../ir/diagnostics.ts'
import type { Context } from './context.ts'
import { ensurePackage } from './packages.ts'
import { reasonIn } from './tools.ts'

export interface BindingDone extends BindingCheck {
  readonly package: string
  /** 'own': the binding that came with the package works, and stays. */
  readonly state: 'there' | 'linked' | 'built' | 'own' | 'failed'
  /** The command to run next, if it failed. */
  readonly fix: string | null
}

/** The library that a binding is for. */
export interface ForLibrary {
  /** The folder of the library's version. */
  readonly folder: string
  /** `2.21.0-cpu`. */
  readonly label: string
}

/** Does not throw if the compiler fails or is missing, because the backend runs without a binding. */
export const ensureBinding = async (
  context: Context,
  library: ForLibrary,
  found: FoundPackage,
): Promise<BindingDone> => {
  try {
    return await bindingOf(context, library, found)
  } catch (error) {
    if (!(error instanceof EffuseError) || error.code === 'EF501') throw error
    return {
      package: found.name,
      state: 'failed',
      version: null,
      hasGpu: false,
      problem: error.message,
      fix: error.hint ?? null,
    }
  }
}

const bindingOf = async (context: Context, library: ForLibrary, found: FoundPackage): Promise<BindingDone> => {
  const { workplace, progress, system } = context
  const file = bindingFile(found)
  const key = `${library.label}-node${system.nodeAbi}-${found.version}-${await hashOfSources(found.folder)}`
  const place = join(tensorflowCache(), 'bindings', key)
  const isOurs = await leadsIntoCache(join(found.folder, 'lib'))
  const hasBoth = isOurs && (await leadsIntoCache(join(found.folder, 'deps')))
  if (!isOurs && existsSync(file)) {
    const own = await checkBinding(file)
    if (own.problem === null) return { package: found.name, state: 'own', fix: null, ...own }
    progress.say(`the binding of ${found.name} does not load (${own.problem}), so a new one is built`)
  }
  const wasBuilt = existsSync(place)
  const isLinked = hasBoth && wasBuilt && existsSync(file) && realpathSync(file).startsWith(realpathSync(place))
  if (!wasBuilt) await build(context, library, found, place)
  if (!isLinked) await link(found, place)
  const check = await checkBinding(file)
  if (check.problem !== null) {
    await workplace.discard(place)
    return { package: found.name, state: 'failed', fix: 'npx effuse setup tensorflow builds it again', ...check }
  }
  return { package: found.name, state: isLinked ? 'there' : wasBuilt ? 'linked' : 'built', fix: null, ...check }
}

const build = async (context: Context, library: ForLibrary, found: FoundPackage, place: string): Promise<void> => {
  const { tools, workplace, progress } = context
  const gyp = await ensurePackage(context, 'node-gyp')
  progress.say(`compiling the binding of ${found.name}`)
  const scratch = await workplace.scratch()
  for (const name of sources) await cp(join(found.folder, name), join(scratch, name), { recursive: true })
  const libraries = join(library.folder, librariesPart)
  await mkdir(join(scratch, 'deps', 'lib'), { recursive: true })
  await symlink(join(libraries, 'include'), join(scratch, 'deps', 'include'))
  for (const [name, target] of linkNames()) await symlink(join(libraries, target), join(scratch, 'deps', 'lib', name))
  const inPackage = relative(found.folder, bindingFile(found))
  const file = join(scratch, inPackage)
  const napi = /napi-v(\d+)/.exec(inPackage)?.[1] ?? ''
  const headers = dirname(dirname(process.execPath))
  const flags = [
    // Without this option node-gyp downloads the headers of this version of Node.
    ...(existsSync(join(headers, 'include', 'node', 'node_api.h')) ? [`--nodedir=${headers}`] : []),
    '--module_name=tfjs_binding',
    `--module_path=${dirname(file)}`,
    `--module=${file}`,
    `--napi_version=${process.versions['napi']}`,
    `--napi_build_version=${napi}`,
    `--node_napi_label=napi-v${napi}`,
  ]
  const script = join(gyp.folder, 'bin', 'node-gyp.js')
  const done = await tools.run(process.execPath, [script, 'rebuild', ...flags], { cwd: scratch })
  if (done?.code !== 0 || !existsSync(file))
    throw new EffuseError({
      code: 'EF603',
      message: `the binding of ${found.name} cannot be compiled: ${compilerReason(done?.output ?? '')}`,
      hint: `${compilerHint()}, then: npx effuse setup tensorflow`,
    })
  if (process.platform === 'darwin')
    await tools.run('install_name_tool', ['-add_rpath', '@loader_path/../../deps/lib', file])
  for (const name of ['build', ...sources]) await rm(join(scratch, name), { recursive: true })
  // The links are relative, so that the whole cache can be moved.
  await rm(join(scratch, 'deps'), { recursive: true })
  await mkdir(join(scratch, 'deps', 'lib'), { recursive: true })
  for (const [name, target] of linkNames())
    await symlink(relative(join(place, 'deps', 'lib'), join(libraries, target)), join(scratch, 'deps', 'lib', name))
  await workplace.publish(scratch, place)
}

/** The first error in the output, which is the cause: the compiler's, or node-gyp's without its stack trace. */
const compilerReason = (output: string): string =>
  output
    .split('\n')
    .find((line) => /error: /i.test(line))
    ?.replace('gyp ERR! stack ', '')
    .trim() ?? reasonIn(output)

const sources = ['binding', 'binding.gyp']
const compilerHint = (): string =>
  process.platform === 'darwin'
    ? 'install a C++ compiler (xcode-select --install)'
    : 'install a C++ compiler and make (Debian: apt-get install g++ make; RHEL: dnf install gcc-c++ make)'

/** Links each library under two names: its own, which the loader searches at run time, and the one that the binding is linked with. */
const linkNames = (): readonly (readonly [name: string, target: string])[] => {
  const [framework = '', main = ''] = [libraryNames.framework[0], libraryNames.main[0]]
  const [plainFramework, plainMain] =
    process.platform === 'darwin'
      ? [framework, 'libtensorflow.2.dylib']
      : ['libtensorflow_framework.so', 'libtensorflow.so']
  const pairs = new Map([
    [framework, framework],
    [main, main],
    [plainFramework, framework],
    [plainMain, main],
  ])
  return [...pairs]
}

/** Puts the two links into the package. They replace a binding that does not work. */
const link = async (found: FoundPackage, place: string): Promise<void> => {
  try {
    for (const name of ['deps', 'lib']) {
      await rm(join(found.folder, name), { recursive: true, force: true })
      await symlink(join(place, name), join(found.folder, name))
    }
  } catch (error) {
    throw new EffuseError({
      code: 'EF603',
      message: `${found.folder} cannot be changed: ${error instanceof Error ? error.message : String(error)}`,
      hint: 'make it writable, then: npx effuse setup tensorflow',
      cause: error,
    })
  }
}

/** Removes the links that `link` made. Returns true if there were any. */
export const unlinkBinding = async ({ folder }: FoundPackage): Promise<boolean> => {
  let hadSome = false
  for (const name of ['lib', 'deps']) {
    if (!(await leadsIntoCache(join(folder, name)))) continue
    await rm(join(folder, name))
    hadSome = true
  }
  return hadSome
}

/** Is it a link that setup made? Its target may be missing. */
const leadsIntoCache = async (path: string): Promise<boolean> => {
  const status = await lstat(path).catch(() => null)
  return status?.isSymbolicLink() === true && (await readlink(path)).startsWith(tensorflowCache() + sep)
}

/** A hash of the binding's sources. tfjs-node and tfjs-node-gpu have the same sources, so they share one binding. */
const hashOfSources = async (folder: string): Promise<string> => {
  const hash = createHash('sha256')
  const names = (await readdir(join(folder, 'binding')).catch(() => [])).sort()
  for (const name of ['binding.gyp', ...names.map((file) => join('binding', file))])
    hash.update(`${name}\n`).update(await readFile(join(folder, name)).catch(() => ''))
  return hash.digest('hex').slice(0, 12)
}

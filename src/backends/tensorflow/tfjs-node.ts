/** Checks tfjs-node's binding, and loads tfjs-node without a change of the user's tfjs backend. Node only. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import util from 'node:util'
import { EffuseError } from '../../ir/diagnostics.ts'
import { findPackage, type FoundPackage } from './places.ts'

/** The package for GPUs comes first. Without a GPU it computes on the CPU. */
export const tfjsNodeNames = ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'] as const

/** The file where the package searches its binding. Its folder has the newest version of Node-API that both Node and the package know. */
export const bindingFile = ({ folder }: FoundPackage): string => {
  const known = [3, 4, 5, 6, 7, 8].filter((version) => version <= Number(process.versions['napi']))
  return join(folder, 'lib', `napi-v${Math.max(...known)}`, 'tfjs_binding.node')
}

export interface BindingCheck {
  /** TensorFlow's version; null if the binding does not load. */
  readonly version: string | null
  readonly hasGpu: boolean
  /** The reason why it does not load; null if it loads. */
  readonly problem: string | null
}

const checkMs = 60_000

/** Loads a binding in a separate process, because a binding for another TensorFlow may crash the process. */
export const checkBinding = async (file: string): Promise<BindingCheck> => {
  if (!existsSync(file)) return { version: null, hasGpu: false, problem: 'it was never built' }
  const program =
    'const b = require(process.argv[1]); process.stdout.write("\\n@" + JSON.stringify([b.TF_Version, b.isUsingGpuDevice()]))'
  const { code, out, err } = await runNode(['-e', program, file])
  const found = /\n@(.*)$/.exec(out)?.[1]
  if (code !== 0 || found === undefined) {
    const lines = err.split('\n').filter((line) => line.trim() !== '')
    const reason = lines.find((line) => /^\w*Error\b|cannot open|undefined symbol/.test(line)) ?? lines.at(-1)
    return { version: null, hasGpu: false, problem: reason?.trim() ?? `it ended the process with code ${code}` }
  }
  const [version, hasGpu] = JSON.parse(found) as readonly [string, boolean] // as the program above prints them
  return { version, hasGpu, problem: null }
}

const runNode = (
  args: readonly string[],
): Promise<{ readonly code: number | null; readonly out: string; readonly err: string }> =>
  new Promise((resolve, reject) => {
    const env = { ...process.env, TF_CPP_MIN_LOG_LEVEL: '3', TF_FORCE_GPU_ALLOW_GROWTH: 'true' }
    const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'], timeout: checkMs })
    let [out, err] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      err += text
    })
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, out, err }))
  })

/** The parts of tfjs-core's engine that change when tfjs-node loads. All copies of tfjs-core in a process share one engine. */
interface Engine {
  backendName: string | null
  backendInstance: object | null
  readonly registryFactory: { readonly [name: string]: { priority: number } }
  setBackend(name: string): Promise<boolean>
}

/** The parts of tfjs-node that are used. */
export interface TfjsNode {
  readonly version: { readonly [name: string]: string }
  readonly node: { summaryFileWriter(dir: string): object }
  readonly engine: () => object
}

/**
 * Loads tfjs-node-gpu or tfjs-node, the first of the two that has a binding. tfjs-node sets its own backend when it loads; this function restores the
 * user's backend, or the choice that tfjs would make. Users who import tfjs-node later call tf.setBackend('tensorflow').
 *
 * @throws EffuseError EF404 if neither package is installed, neither has a binding, or the package does not load
 */
export const importTfjsNode = async (): Promise<TfjsNode> => {
  const found = tfjsNodeNames.map((name) => findPackage(name)).filter((known) => known !== null)
  const ready = found.find((known) => existsSync(bindingFile(known)))
  if (ready === undefined) {
    const names = found.map(({ name }) => name).join(' and ')
    throw new EffuseError({
      code: 'EF404',
      message:
        names === ''
          ? 'tfjs-node is not installed'
          : `${names} ${found.length === 1 ? 'has' : 'have'} no binding to TensorFlow`,
      hint: 'npx effuse setup tensorflow',
    })
  }
  restoreUtil()
  process.env['TF_CPP_MIN_LOG_LEVEL'] ??= '3' // TensorFlow reads it when it starts
  const require = createRequire(join(ready.folder, 'package.json'))
  const main = require.resolve(ready.folder)
  if (require.cache[main] !== undefined) return require(main) as TfjsNode // the user has loaded it already
  const engineBefore = (globalThis as { readonly _tfengine?: Engine })._tfengine
  const before = engineBefore?.backendName ?? null
  try {
    const loaded = require(main) as TfjsNode // require() has no types
    await restoreBackend(loaded.engine() as Engine, before) // the fields are private in tfjs's type
    return loaded
  } catch (cause) {
    const detail = cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : String(cause)
    throw new EffuseError({
      code: 'EF404',
      message: `${ready.name} does not load: ${detail}`,
      hint: 'npx effuse setup tensorflow',
      cause,
    })
  }
}

const restoreBackend = async (engine: Engine, name: string | null): Promise<void> => {
  const own = engine.registryFactory['tensorflow']
  if (own !== undefined) own.priority = 0 // tfjs chooses the backend with the highest priority, unless the user has set one
  if (name !== null) await engine.setBackend(name)
  else Object.assign(engine, { backendName: null, backendInstance: null })
}

/** Adds two functions that tfjs-node calls and that Node 23 has removed. */
const restoreUtil = (): void => {
  const target = util as unknown as {
    isNullOrUndefined?: (value: unknown) => boolean
    isArray?: (value: unknown) => boolean
  }
  target.isNullOrUndefined ??= (value) => value === null || value === undefined
  target.isArray ??= Array.isArray
}

/** tfjs-node and its binding: does it load, and how to load it without changing what the user has chosen. Node only. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import util from 'node:util'
import { EffuseError } from '../../ir/diagnostics.ts'
import { findPackage, type FoundPackage } from './places.ts'

/** The GPU's package first: it computes on the CPU where there is no GPU. */
export const tfjsNodeNames = ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'] as const

/** Where the package looks for its binding: the newest version of Node-API that both know. */
export const bindingFile = ({ folder }: FoundPackage): string => {
  const known = [3, 4, 5, 6, 7, 8].filter((version) => version <= Number(process.versions['napi']))
  return join(folder, 'lib', `napi-v${Math.max(...known)}`, 'tfjs_binding.node')
}

export interface BindingCheck {
  /** TensorFlow's version; null where the binding does not load. */
  readonly version: string | null
  readonly hasGpu: boolean
  /** Why it does not load. */
  readonly problem: string | null
}

const checkMs = 60_000

/** Loads a binding in a process of its own, because one for another TensorFlow may end it. */
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

/** The parts of tfjs-core's engine that loading tfjs-node changes. One engine serves all copies of tfjs-core in a process. */
interface Engine {
  backendName: string | null
  backendInstance: object | null
  readonly registryFactory: { readonly [name: string]: { priority: number } }
  setBackend(name: string): Promise<boolean>
}

/** What is used of tfjs-node. */
export interface TfjsNode {
  readonly version: { readonly [name: string]: string }
  readonly node: { summaryFileWriter(dir: string): object }
  readonly engine: () => object
}

/**
 * Loads tfjs-node-gpu or tfjs-node, whichever has a binding. The user's tfjs backend, and the choice that tfjs would make, stay as they were:
 * tfjs-node sets its own when it loads. Users who import it later call tf.setBackend('tensorflow').
 *
 * @throws EffuseError EF404 where neither is installed, has a binding, or loads
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
  process.env['TF_CPP_MIN_LOG_LEVEL'] ??= '3' // read when TensorFlow starts
  const require = createRequire(join(ready.folder, 'package.json'))
  const main = require.resolve(ready.folder)
  if (require.cache[main] !== undefined) return require(main) as TfjsNode // the user has loaded it
  const engineBefore = (globalThis as { readonly _tfengine?: Engine })._tfengine
  const before = engineBefore?.backendName ?? null
  try {
    const loaded = require(main) as TfjsNode // a module of CommonJS has no types here
    await restoreBackend(loaded.engine() as Engine, before) // the real type hides the fields
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
  if (own !== undefined) own.priority = 0 // tfjs takes the highest where nobody has chosen
  if (name !== null) await engine.setBackend(name)
  else Object.assign(engine, { backendName: null, backendInstance: null })
}

/** tfjs-node calls two functions that Node 23 removed. */
const restoreUtil = (): void => {
  const target = util as unknown as {
    isNullOrUndefined?: (value: unknown) => boolean
    isArray?: (value: unknown) => boolean
  }
  target.isNullOrUndefined ??= (value) => value === null || value === undefined
  target.isArray ??= Array.isArray
}

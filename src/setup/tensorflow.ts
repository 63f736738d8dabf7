/** What `effuse setup tensorflow` and `--remove` do. The command line is in src/cli. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { tensorflowCache } from '../backends/tensorflow/places.ts'
import { tfjsNodeNames } from '../backends/tensorflow/tfjs-node.ts'
import { lockStart } from '../platform/node-folder-lock.ts'
import { type BindingDone, ensureBinding, unlinkBinding } from './binding.ts'
import { type Context, find } from './context.ts'
import { ensureLibrary } from './library.ts'
import { ensurePackage } from './packages.ts'
import { checkSystem } from './system.ts'
import { type Kind, type Wheel, wheelsOf } from './wheels.ts'
import { inWorkplace } from './workplace.ts'

export interface SetupOptions extends Omit<Context, 'workplace'> {
  readonly version: string
  readonly kind: Kind
  /** Wheels that replace those of the table, for tests. */
  readonly wheels?: readonly Wheel[] | undefined
}

export interface SetupReport {
  readonly version: string
  readonly kind: Kind
  readonly folder: string
  /** Was the library already installed? */
  readonly wasThere: boolean
  readonly koffi: string
  readonly bindings: readonly BindingDone[]
}

/**
 * Installs TensorFlow's library, koffi, and the binding for the project's tfjs-node packages. If the project has none, it installs tfjs-node in the cache.
 * Parts that are already installed stay, so a second call is quick. A second call at the same time waits for the first.
 *
 * @throws EffuseError EF404 (the platform has no library), EF601 (the version does not exist), EF603 (a step failed), EF501 (the disk is full or
 * cannot be written)
 */
export const setupTensorflow = async (options: SetupOptions): Promise<SetupReport> => {
  const { version, kind, system, progress } = options
  checkSystem(system)
  const wheels = options.wheels ?? wheelsOf(version, kind, system)
  return inWorkplace(tensorflowCache(), progress, async (workplace) => {
    const context: Context = { ...options, workplace }
    const { folder, wasThere } = await ensureLibrary(context, wheels, { version, kind })
    const koffi = await ensurePackage(context, 'koffi')
    const inProject = tfjsNodeNames.map((name) => find(context, name)).filter((found) => found !== null)
    const packages = inProject.length > 0 ? inProject : [await ensurePackage(context, '@tensorflow/tfjs-node')]
    const bindings: BindingDone[] = []
    for (const found of packages)
      bindings.push(await ensureBinding(context, { folder, label: `${version}-${kind}` }, found))
    return { version, kind, folder, wasThere, koffi: koffi.version, bindings }
  })
}

/** Removes everything that setup has installed. Returns a list of what was removed, which may be empty. @throws EffuseError EF501 */
export const removeTensorflow = async (options: Pick<Context, 'progress' | 'project'>): Promise<readonly string[]> => {
  const cache = tensorflowCache()
  return inWorkplace(cache, options.progress, async ({ discard }) => {
    const removed: string[] = []
    for (const name of tfjsNodeNames) {
      const found = find(options, name)
      if (found !== null && (await unlinkBinding(found))) removed.push(`the links in ${found.folder}`)
    }
    for (const name of await readdir(cache)) {
      if (name.startsWith(lockStart)) continue
      await discard(join(cache, name))
      removed.push(join(cache, name))
    }
    return removed
  })
}

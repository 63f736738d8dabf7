/** Installs TensorFlow's library in the cache: downloads, checks and unpacks it in a scratch folder, and renames the folder when it is complete. */
import { existsSync } from 'node:fs'
import { mkdir, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { problemOfInstalled } from '../backends/tensorflow/find-library.ts'
import { type Installed, setupFile, versionFolder } from '../backends/tensorflow/places.ts'
import type { Context } from './context.ts'
import { download } from './download.ts'
import { findPython } from './python.ts'
import { unpack } from './unpack.ts'
import type { Wheel } from './wheels.ts'

export interface LibraryDone {
  readonly folder: string
  readonly wasThere: boolean
}

/** @throws EffuseError EF603, EF501 */
export const ensureLibrary = async (
  { tools, workplace, progress }: Context,
  wheels: readonly Wheel[],
  installed: Pick<Installed, 'version' | 'kind'>,
): Promise<LibraryDone> => {
  const folder = versionFolder(installed.version, installed.kind)
  if (existsSync(folder)) {
    const problem = problemOfInstalled(folder)
    if (problem === null) {
      // The backend uses the version that setup was last called for.
      await utimes(join(folder, setupFile), new Date(), new Date())
      return { folder, wasThere: true }
    }
    progress.say(`${problem}, so it is installed again`)
  }
  const python = await findPython(tools)
  const scratch = await workplace.scratch()
  const [site, incoming] = [join(scratch, 'site-packages'), join(scratch, 'incoming')]
  await mkdir(site)
  for (const wheel of wheels) {
    await mkdir(incoming)
    await unpack(python, await download(python, wheel, incoming, progress), site, progress)
    await rm(incoming, { recursive: true })
  }
  const content: Installed = { ...installed, libraries: await librariesIn(scratch) }
  await writeFile(join(scratch, setupFile), `${JSON.stringify({ ...content, wheels }, null, 2)}\n`)
  await workplace.publish(scratch, folder)
  return { folder, wasThere: false }
}

const librariesIn = async (folder: string): Promise<Installed['libraries']> => {
  const sizes: Record<string, number> = {}
  for (const name of (await readdir(folder, { recursive: true })).sort())
    if (/\.(so|dylib)[^/]*$/.test(name)) sizes[name] = (await stat(join(folder, name))).size
  return sizes
}

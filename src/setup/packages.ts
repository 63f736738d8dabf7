/** Installs npm packages that the project does not have into the cache. The project's package.json and node_modules do not change. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type FoundPackage, packagePrefix } from '../backends/tensorflow/places.ts'
import { EffuseError } from '../ir/diagnostics.ts'
import { type Context, find } from './context.ts'
import { reasonIn } from './tools.ts'
import { fullDisk } from './workplace.ts'

/** Install scripts are off: tfjs-node's script would download another TensorFlow, and koffi needs none. */
const versions = { koffi: '3.3.4', 'node-gyp': '12.4.0', '@tensorflow/tfjs-node': '4.22.0' } as const
export type PackageName = keyof typeof versions

/** Returns the package of the project or of the cache. If there is none, installs it into the cache. @throws EffuseError EF603, EF501 */
export const ensurePackage = async (context: Context, name: PackageName): Promise<FoundPackage> => {
  const { tools, workplace, progress } = context
  const there = find(context, name)
  if (there !== null) return there
  const wanted = `${name}@${versions[name]}`
  progress.say(`fetching ${wanted} from npm`)
  const scratch = await workplace.scratch()
  await writeFile(join(scratch, 'package.json'), '{ "private": true }\n')
  const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error']
  const done = await tools.run('npm', ['install', ...flags, '--save-exact', wanted], { cwd: scratch })
  if (done === null)
    throw new EffuseError({
      code: 'EF603',
      message: `npm, which installs ${wanted}, was not found`,
      hint: `install npm, or ${wanted} in your project in another way, then: npx effuse setup tensorflow`,
    })
  if (/ENOSPC|EDQUOT/.test(done.output) && done.code !== 0) throw fullDisk(`npm could not install ${wanted}`)
  if (done.code === 0) await workplace.publish(scratch, packagePrefix(name))
  const found = find(context, name)
  if (found !== null) return found
  throw new EffuseError({
    code: 'EF603',
    message: `npm could not install ${wanted}: ${reasonIn(done.output)}`,
    hint: `check that npm reaches its registry (npm view ${wanted} version), then: npx effuse setup tensorflow`,
  })
}

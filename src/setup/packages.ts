/** Packages of npm that the project lacks, installed into the cache. The project's package.json and node_modules stay as they are. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type FoundPackage, packagePrefix } from '../backends/tensorflow/places.ts'
import { EffuseError } from '../ir/diagnostics.ts'
import { type Context, find } from './context.ts'
import { reasonIn } from './tools.ts'
import { fullDisk } from './workplace.ts'

/** Install scripts stay off: tfjs-node's would fetch another TensorFlow, and koffi brings what it needs as a package. */
const versions = { koffi: '3.3.4', 'node-gyp': '12.4.0', '@tensorflow/tfjs-node': '4.22.0' } as const
export type PackageName = keyof typeof versions

/** The package as the project or the cache has it; otherwise it is installed into the cache. @throws EffuseError EF603, EF501 */
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
      message: `npm was not found, which fetches ${wanted}`,
      hint: `install ${wanted} in your project by other means, then: npx effuse setup tensorflow`,
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

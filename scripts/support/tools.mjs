// Runs installed development tools by this Node without a shell, so that they work the same on every system.
import { readdir, readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { root, runQuietly, runShown, StepError, say } from './step.mjs'

/**
 * Runs a tool of node_modules and shows its output. Returns its exit code.
 * @param {string} packageName @param {string} command one of the package's `bin` @param {readonly string[]} args
 */
export const runTool = async (packageName, command, args) =>
  (await runShown(process.execPath, [await toolFile(packageName, command), ...args])) ?? 1

/** @param {string} packageName @param {string} command */
const toolFile = async (packageName, command) => {
  const folder = path.join(root, 'node_modules', packageName)
  const { bin } = JSON.parse(await readFile(path.join(folder, 'package.json'), 'utf8'))
  return path.join(folder, typeof bin === 'string' ? bin : bin[command])
}

/** Builds dist unless it is newer than all its sources. */
export const ensureBuilt = async () => {
  const sources = ['src', 'package.json', 'package-lock.json', 'tsconfig.json', 'tsdown.config.ts']
  const changed = Math.max(...(await Promise.all(sources.map((source) => newest(path.join(root, source))))))
  const built = await newest(path.join(root, 'dist/cli/main.js'))
  if (built > changed) return
  say('building dist (npm run build)')
  const done = await runQuietly(process.execPath, [await toolFile('tsdown', 'tsdown')])
  if (done?.code === 0) return
  say(done?.output ?? '')
  throw new StepError(
    'The build failed, see above. If you changed the sources, `npm run check` says what is wrong with them.',
  )
}

/** The time of the latest change in a file or folder, in milliseconds; 0 if it does not exist. @param {string} place @returns {Promise<number>} */
const newest = async (place) => {
  const found = await stat(place).catch(() => null)
  if (found === null) return 0
  if (!found.isDirectory()) return found.mtimeMs
  const inside = await Promise.all((await readdir(place)).map((name) => newest(path.join(place, name))))
  return Math.max(found.mtimeMs, ...inside)
}

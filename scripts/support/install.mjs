// Installs the npm packages that are missing. `.npmrc` has ignore-scripts=true, which switches off pre-scripts as well, so every script that
// needs packages calls this first.
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { root, runShown, StepError, say } from './step.mjs'

/** Runs `npm ci` unless node_modules has the packages of package-lock.json. Fast if it has. */
export const ensureInstalled = async () => {
  const [major = 0] = process.versions.node.split('.').map(Number)
  if (major < 20) {
    throw new StepError(
      `effuse needs Node 20 or later, and this is Node ${process.versions.node}. Install a newer Node.`,
    )
  }
  const wanted = await packagesOf('package-lock.json')
  if (wanted === null)
    throw new StepError('package-lock.json is missing or unreadable. Restore it: git checkout package-lock.json')
  if (isSatisfied(wanted, await packagesOf('node_modules/.package-lock.json'))) return
  say('installing the npm packages (npm ci)')
  const code = await runNpm(['ci', '--no-audit', '--no-fund'])
  if (code !== 0) {
    throw new StepError(
      `npm could not install the packages (${code === null ? 'npm was not found' : `npm ci ended with code ${code}, see above`}). ` +
        'Check that npm is installed and can reach its registry (npm ping), then run the same command again.',
    )
  }
}

/** @typedef {{ version?: string, optional?: boolean, devOptional?: boolean }} Locked */

/**
 * The packages of a lock file, by folder; null if the file is missing or broken.
 * @param {string} file @returns {Promise<Map<string, Locked> | null>}
 */
const packagesOf = async (file) => {
  try {
    const lock = JSON.parse(await readFile(path.join(root, file), 'utf8'))
    return new Map(Object.entries(lock.packages))
  } catch {
    return null
  }
}

/**
 * Packages for other platforms are optional, and npm does not install them.
 * @param {Map<string, Locked>} wanted @param {Map<string, Locked> | null} installed
 */
const isSatisfied = (wanted, installed) =>
  installed !== null &&
  [...wanted].every(([folder, { version, optional }]) => {
    const found = installed.get(folder)
    return folder === '' || (found === undefined ? optional === true : found.version === version)
  })

/**
 * Finds npm by the environment variable that it sets when it runs a script. This also works if `npm` is a batch file.
 * @param {readonly string[]} args
 */
const runNpm = (args) => {
  const cli = process.env['npm_execpath']
  return cli?.endsWith('.js') ? runShown(process.execPath, [cli, ...args]) : runShown('npm', args)
}

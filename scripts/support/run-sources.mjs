// Runs a program of the sources with the arguments of the script, for npm run fuzz and npm run mutants.
import path from 'node:path'
import { buildFromSources } from './from-sources.mjs'
import { ensureInstalled } from './install.mjs'
import { runShown, script } from './step.mjs'

/**
 * @param {string} entry @param {string} purpose name of the build folder
 * @param {readonly string[]} [children] programs that it starts, which are built beside it
 */
export const runSources = (entry, purpose, children = []) =>
  script(async () => {
    await ensureInstalled()
    const folder = await buildFromSources([entry, ...children], purpose)
    const program = path.join(folder, 'main.mjs')
    process.exitCode =
      (await runShown(process.execPath, ['--enable-source-maps', program, ...process.argv.slice(2)])) ?? 1
  })

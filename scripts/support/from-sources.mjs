// TypeScript modules outside src that read the sources: built first, then run or imported.
import path from 'node:path'
import { root } from './step.mjs'

/**
 * Builds modules with all that they take from src. Returns the folder that holds them as NAME.mjs.
 * @param {readonly string[]} entries paths of TypeScript files in the repository @param {string} purpose names the folder
 */
export const buildFromSources = async (entries, purpose) => {
  const { build } = await import('tsdown')
  // As deep as src/cli, so that what is built finds the packages, this one's own package.json, recipes and docs; git and the tools ignore it.
  const outDir = path.join(root, '.effuse', `built-${purpose}`)
  await build({
    config: false,
    cwd: root,
    // By name: from several folders they would keep those. Threads run the last one; nothing imports it.
    entry: Object.fromEntries(
      [...entries, 'src/data/picture-worker.ts'].map((entry) => [path.basename(entry, '.ts'), entry]),
    ),
    outDir,
    format: 'esm',
    platform: 'node',
    dts: false,
    sourcemap: true,
    logLevel: 'warn',
    skipNodeModulesBundle: true,
    inputOptions: { resolve: { conditionNames: ['effuse-source', 'node', 'import'] } },
    // All in one folder: a module looks for the threads' program beside itself.
    outputOptions: { entryFileNames: '[name].mjs', chunkFileNames: '[name]-[hash].mjs' },
  })
  return outDir
}

/**
 * The exports of scripts/support/NAME.ts.
 * @param {string} name
 */
export const importFromSources = async (name) =>
  import(path.join(await buildFromSources([`scripts/support/${name}.ts`], 'scripts'), `${name}.mjs`))

// Builds TypeScript modules outside src that import the sources, and runs or imports them.
import path from 'node:path'
import { root } from './step.mjs'

/**
 * Builds modules with their imports from src. Returns the folder that contains them as NAME.mjs.
 * @param {readonly string[]} entries paths of TypeScript files in the repository @param {string} purpose names the folder
 */
export const buildFromSources = async (entries, purpose) => {
  const { build } = await import('tsdown')
  // Has the depth of src/cli, so that the built modules find packages, effuse's package.json, recipes and docs. Git and the tools ignore it.
  const outDir = path.join(root, '.effuse', `built-${purpose}`)
  await build({
    config: false,
    cwd: root,
    // Entries by name, because paths would keep the folders. Threads run the last one; no module imports it.
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
    // All in one folder, because a module looks for the threads' program beside itself.
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

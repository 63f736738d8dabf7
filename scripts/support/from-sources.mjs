// Running a TypeScript module of scripts/support that reads the sources: built first, then imported.
import path from 'node:path'
import { root } from './step.mjs'

// Inside node_modules, so that what is built finds the packages, and git and the tools ignore it.
const outFolder = path.join(root, 'node_modules/.cache/effuse-docs')

/**
 * The exports of scripts/support/NAME.ts.
 * @param {string} name
 */
export const importFromSources = async (name) => {
  const { build } = await import('tsdown')
  await build({
    config: false,
    cwd: root,
    entry: [`scripts/support/${name}.ts`],
    outDir: outFolder,
    format: 'esm',
    platform: 'node',
    dts: false,
    logLevel: 'warn',
    skipNodeModulesBundle: true,
    inputOptions: { resolve: { conditionNames: ['effuse-source', 'node', 'import'] } },
    outputOptions: { entryFileNames: '[name].mjs' },
  })
  return import(path.join(outFolder, `${name}.mjs`))
}

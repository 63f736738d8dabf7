// npm run docs: writes the pages of docs/ that are made from the program.
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { ensureInstalled } from './support/install.mjs'
import { root, say, script } from './support/step.mjs'

const outFolder = path.join(root, 'node_modules/.cache/effuse-docs')

await script(async () => {
  await ensureInstalled()
  const { build } = await import('tsdown')
  await build({
    config: false,
    cwd: root,
    entry: ['scripts/support/ops-page.ts'],
    outDir: outFolder,
    format: 'esm',
    platform: 'node',
    dts: false,
    logLevel: 'warn',
    skipNodeModulesBundle: true,
    inputOptions: { resolve: { conditionNames: ['effuse-source', 'node', 'import'] } },
    outputOptions: { entryFileNames: '[name].mjs' },
  })
  const { opsPage } = await import(path.join(outFolder, 'ops-page.mjs'))
  await writeFile(path.join(root, 'docs/ops.md'), opsPage())
  say('docs/ops.md')
})

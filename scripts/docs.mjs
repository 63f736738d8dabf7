// npm run docs: writes the pages of docs/ that are made from the program.
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { importFromSources } from './support/from-sources.mjs'
import { ensureInstalled } from './support/install.mjs'
import { root, say, script } from './support/step.mjs'

await script(async () => {
  await ensureInstalled()
  const { opsPage } = await importFromSources('ops-page')
  await writeFile(path.join(root, 'docs/ops.md'), opsPage())
  say('docs/ops.md')
})

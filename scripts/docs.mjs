// npm run docs: writes the parts of the documents that are generated from the program.
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { importFromSources } from './support/from-sources.mjs'
import { ensureInstalled } from './support/install.mjs'
import { root, say, script } from './support/step.mjs'

await script(async () => {
  await ensureInstalled()
  const { opsPage } = await importFromSources('ops-page')
  await writeFile(path.join(root, 'docs/ops.md'), opsPage())
  const { withPicture } = await importFromSources('layers')
  const page = path.join(root, 'ARCHITECTURE.md')
  await writeFile(page, withPicture(await readFile(page, 'utf8')))
  const { passesPicture } = await importFromSources('passes-picture')
  await writeFile(path.join(root, 'docs/passes.svg'), await passesPicture())
  say('docs/ops.md, docs/passes.svg, and the picture of layers in ARCHITECTURE.md')
})

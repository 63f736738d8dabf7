// node scripts/amp-table.mjs: measures the casts of mixed precision in EfficientNet B0 to B7 and writes the table of docs/amp.md.
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { importFromSources } from './support/from-sources.mjs'
import { ensureInstalled } from './support/install.mjs'
import { root, say, script } from './support/step.mjs'

const page = path.join(root, 'docs/amp.md')
const table = /(<!-- amp-table -->\n)[\s\S]*?(\n<!-- \/amp-table -->)/

await script(async () => {
  await ensureInstalled()
  const { ampTable } = await importFromSources('amp-table')
  const measured = ampTable(say)
  const text = await readFile(page, 'utf8')
  await writeFile(
    page,
    text.replace(table, (_all, start, end) => `${start}${measured}${end}`),
  )
  say('docs/amp.md')
})

// npm run bench: runs the programs bench/*.ts one after another from the sources, each in its own process.
// npm run bench -- passes: only those whose name contains `passes`. Arguments after a second `--` go to the programs.
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { buildFromSources } from './support/from-sources.mjs'
import { ensureInstalled } from './support/install.mjs'
import { root, runShown, StepError, say, script } from './support/step.mjs'

await script(async () => {
  await ensureInstalled()
  const args = process.argv.slice(2)
  const split = args.indexOf('--')
  const filters = split === -1 ? args : args.slice(0, split)
  const passedOn = split === -1 ? [] : args.slice(split + 1)
  const all = (await readdir(path.join(root, 'bench')))
    .filter((file) => file.endsWith('.ts'))
    .map((file) => file.slice(0, -3))
  const names = all.filter((name) => filters.length === 0 || filters.some((filter) => name.includes(filter))).sort()
  if (names.length === 0) {
    throw new StepError(`No bench is named like ${filters.join(' or ')}. There are: ${all.sort().join(', ')}.`, 2)
  }
  const folder = await buildFromSources(
    names.map((name) => `bench/${name}.ts`),
    'bench',
  )
  const failed = []
  for (const name of names) {
    say(`\nbench/${name}.ts`)
    const options = ['--expose-gc', '--enable-source-maps']
    if ((await runShown(process.execPath, [...options, path.join(folder, `${name}.mjs`), ...passedOn])) !== 0)
      failed.push(name)
  }
  if (failed.length > 0) throw new StepError(`These ended with an error, see above: ${failed.join(', ')}.`)
})

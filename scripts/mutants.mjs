// npm run mutants: wrong versions of the sources, by hand and by operators, each judged by the tests that should see it.
// npm run mutants -- --by-hand | --mechanical [--count 300] [--seed 1] | --only TEXT | --list | --jobs 2 | --fresh.
import path from 'node:path'
import { buildFromSources } from './support/from-sources.mjs'
import { ensureInstalled } from './support/install.mjs'
import { runShown, script } from './support/step.mjs'

await script(async () => {
  await ensureInstalled()
  const folder = await buildFromSources(['test/mutants/main.ts'], 'mutants')
  process.exitCode =
    (await runShown(process.execPath, [
      '--enable-source-maps',
      path.join(folder, 'main.mjs'),
      ...process.argv.slice(2),
    ])) ?? 1
})

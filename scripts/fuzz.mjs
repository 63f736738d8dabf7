// npm run fuzz: random and damaged files, texts and arguments for everything that reads what others made, 100,000 each.
// npm run fuzz -- safetensors pth --cases 5000 --seed 7: only these. Failures are kept in .effuse/failures/fuzz and tried first the next time.
import path from 'node:path'
import { buildFromSources } from './support/from-sources.mjs'
import { ensureInstalled } from './support/install.mjs'
import { runShown, script } from './support/step.mjs'

await script(async () => {
  await ensureInstalled()
  const folder = await buildFromSources(['test/fuzz/main.ts'], 'fuzz')
  process.exitCode =
    (await runShown(process.execPath, [
      '--enable-source-maps',
      path.join(folder, 'main.mjs'),
      ...process.argv.slice(2),
    ])) ?? 1
})

// npm run test:seeds: runs the property tests from new seeds. Arguments: the number of seeds (default 1), then arguments for vitest.
// A failure names its seed: `EFFUSE_TEST_SEED=<seed> npm run test:unit -- <file>` repeats it. Add its counterexample as a case to its test.
import { randomInt } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { ensureInstalled } from './support/install.mjs'
import { root, script, StepError, say } from './support/step.mjs'
import { runTool } from './support/tools.mjs'

/** The test files with properties: those that import fast-check, or a helper or suite that does. */
const filesWithProperties = async () => {
  const names = await readdir(path.join(root, 'test'), { recursive: true })
  const files = names.filter((name) => name.endsWith('.test.ts')).map((name) => path.join('test', name))
  const texts = await Promise.all(files.map((file) => readFile(path.join(root, file), 'utf8')))
  return files.filter((_file, i) => /fast-check|testing\/(conformance|cases)/.test(texts[i] ?? ''))
}

await script(async () => {
  await ensureInstalled()
  const [count = '1', ...given] = process.argv.slice(2)
  if (!/^[1-9]\d*$/.test(count))
    throw new StepError(`Expected the number of seeds, an integer of at least 1, got "${count}".`)
  const args = given.length > 0 ? given : await filesWithProperties()
  const failed = []
  for (let round = 1; round <= Number(count); round++) {
    const seed = randomInt(2 ** 31)
    say(`seed ${seed} (${round} of ${count})`)
    process.env['EFFUSE_TEST_SEED'] = String(seed)
    if ((await runTool('vitest', 'vitest', ['run', '--reporter=dot', ...args])) !== 0) failed.push(seed)
  }
  if (failed.length > 0) throw new StepError(`${failed.length} of ${count} seeds failed: ${failed.join(', ')}.`)
  console.log(`${count} seeds passed`)
})

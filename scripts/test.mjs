// npm test: installs missing packages, checks types and style, and runs the tests. The last line is `N passed, N failed`.
// Arguments go to vitest: npm test -- test/ir -t 'round trip'.
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { ensureInstalled } from './support/install.mjs'
import { script, StepError, say } from './support/step.mjs'
import { runTool } from './support/tools.mjs'

/**
 * The counts in vitest's JSON. A file that could not be loaded has no tests, and counts as one failed test.
 * @param {string} file
 */
const countsOf = async (file) => {
  const text = await readFile(file, 'utf8').catch(() => null)
  if (text === null) throw new StepError('vitest ended without results, see above.')
  /** @type {{ numPassedTests: number, numFailedTests: number, numPendingTests: number, numTodoTests: number, testResults: { status: string, assertionResults: { status: string }[] }[] }} */
  const results = JSON.parse(text)
  const brokenFiles = results.testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
  ).length
  return {
    passed: results.numPassedTests,
    failed: results.numFailedTests + brokenFiles,
    skipped: results.numPendingTests + results.numTodoTests,
  }
}

/** @param {readonly string[]} vitestArgs */
const runTests = async (vitestArgs) => {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'effuse-test-'))
  try {
    const file = path.join(folder, 'results.json')
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`]
    const code = await runTool('vitest', 'vitest', ['run', ...reporters, ...vitestArgs])
    return { code, ...(await countsOf(file)) }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

await script(async () => {
  await ensureInstalled()
  say('checking types (tsc --noEmit)')
  const types = await runTool('typescript', 'tsc', ['--noEmit'])
  say('checking style (biome check)')
  const style = await runTool('@biomejs/biome', 'biome', ['check', '--error-on-warnings'])
  const tests = await runTests(process.argv.slice(2))
  const problems = [
    ...(types === 0 ? [] : ['the type check failed']),
    ...(style === 0 ? [] : ['the style check failed (npx biome check --write repairs most of it)']),
    ...(tests.code !== 0 && tests.failed === 0 ? [`vitest ended with code ${tests.code}`] : []),
    ...(tests.passed + tests.failed === 0 ? ['no test ran'] : []),
  ]
  for (const problem of problems) console.log(problem)
  console.log(`${tests.passed} passed, ${tests.failed} failed${tests.skipped > 0 ? `, ${tests.skipped} skipped` : ''}`)
  if (problems.length > 0 || tests.failed > 0) process.exitCode = 1
})

/** Setup of every test file while mutants are judged: records which places of recording() each test reaches. */
import { appendFileSync } from 'node:fs'
import { afterAll, afterEach, beforeEach, type RunnerTestCase, type RunnerTestSuite } from 'vitest'

const reached = new Set<string>()
;(globalThis as { effuseReached?: (name: string) => void }).effuseReached = (name) => reached.add(name)

const file = process.env['EFFUSE_REACHED']
/** Names with their suites, as `-t` of vitest matches them. */
const nameOf = ({ name, suite }: RunnerTestCase | RunnerTestSuite): string =>
  suite === undefined || suite.name === '' ? name : `${nameOf(suite)} ${name}`

const write = (test: string | null, ms: number): void => {
  if (file !== undefined) appendFileSync(file, `${JSON.stringify({ test, ms, reached: [...reached] })}\n`)
  reached.clear()
}

let start = 0
beforeEach(() => {
  // What ran between tests: loading the file and its hooks.
  if (reached.size > 0) write(null, 0)
  start = performance.now()
})
afterEach(({ task }) => write(nameOf(task), performance.now() - start))
afterAll(() => {
  if (reached.size > 0) write(null, 0)
})

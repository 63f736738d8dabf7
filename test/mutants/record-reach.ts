/** Setup of every test file while mutants are judged: records which places of recording() each test reaches. */
import { appendFileSync } from 'node:fs'
import { afterAll, afterEach, beforeEach, type RunnerTestCase, type RunnerTestSuite } from 'vitest'

/** The first of the recorded files that is loaded makes it. */
const marks = (): Uint8Array => (globalThis as { effuseReached?: Uint8Array }).effuseReached ?? new Uint8Array(0)

const file = process.env['EFFUSE_REACHED']
/** Names with their suites, as `-t` of vitest matches them. */
const nameOf = ({ name, suite }: RunnerTestCase | RunnerTestSuite): string =>
  suite === undefined || suite.name === '' ? name : `${nameOf(suite)} ${name}`

const write = (test: string | null, ms: number): void => {
  const reached = [...marks()].flatMap((mark, number) => (mark === 0 ? [] : [number]))
  if (file !== undefined) appendFileSync(file, `${JSON.stringify({ test, ms, reached })}\n`)
  marks().fill(0)
}

let start = 0
beforeEach(() => {
  // What ran between tests: loading the file and its hooks.
  if (marks().includes(1)) write(null, 0)
  start = performance.now()
})
afterEach(({ task }) => write(nameOf(task), performance.now() - start))
afterAll(() => {
  if (marks().includes(1)) write(null, 0)
})

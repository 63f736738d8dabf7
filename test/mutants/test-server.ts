/**
 * Runs test files on request, in one process that caches what vitest has transformed. It runs in a copy of the tree as a child of judge-mutant.ts,
 * which kills it if a test does not end.
 */
import { join } from 'node:path'
import { createVitest } from 'vitest/node'

export interface TestRequest {
  /** Files that changed since the last request. */
  readonly changed: readonly string[]
  readonly file: string
  /** The tests to run, by full name; null for all. */
  readonly tests: readonly string[] | null
}

/** If the tests did not start, the reply is `null`. */
export interface TestReply {
  /** The names of the failed tests. An error of the file itself has the name ''. */
  readonly failed: readonly string[]
  /** The first message of the failures, on one line. */
  readonly message: string
}

const root = process.cwd()
// The waiting process has the time limit: on a busy machine a test must not fail by its own limit.
const timeout = 3_600_000
const withoutOwnTimeouts = {
  name: 'no-timeouts-of-tests',
  enforce: 'pre',
  transform: (code: string, id: string): string | undefined =>
    id.endsWith('.test.ts') ? code.replaceAll(/(\},\s*)\d+_000(,?\s*\))/g, `$1${timeout}$2`) : undefined,
} as const
const vitest = await createVitest(
  'test',
  {
    root,
    watch: false,
    // While reached places are recorded, all tests run.
    bail: process.env['EFFUSE_REACHED'] === undefined ? 1 : 0,
    maxWorkers: 1,
    reporters: [{}],
    testTimeout: timeout,
    hookTimeout: timeout,
    setupFiles: ['test/support/property-seed.ts', 'test/mutants/end-on-failure.ts', 'test/mutants/record-reach.ts'],
  },
  { plugins: [withoutOwnTimeouts] },
)
await vitest.standalone()
const project = vitest.getRootProject()

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')

const run = async ({ changed, file, tests }: TestRequest): Promise<TestReply | null> => {
  for (const name of changed) vitest.invalidateFile(join(root, name))
  if (tests === null) vitest.resetGlobalTestNamePattern()
  else vitest.setGlobalTestNamePattern(new RegExp(`^\\s*(?:${tests.map(escaped).join('|')})$`))
  const path = join(root, file)
  const { testModules, unhandledErrors } = await vitest.runTestSpecifications([project.createSpecification(path)])
  const failed: string[] = []
  const messages: string[] = []
  for (const module of testModules) {
    if (module.moduleId !== path) continue
    for (const test of module.children.allTests('failed')) {
      failed.push(test.fullName.split(' > ').join(' '))
      messages.push(...(test.result().errors ?? []).map(({ message }) => message))
    }
    if (module.state() === 'failed' && failed.length === 0) failed.push('')
    messages.push(...module.errors().map(({ message }) => message))
  }
  messages.push(...unhandledErrors.map((error) => String((error as Error).message)))
  // On a busy machine the worker may not start in time. That is not a result of the tests.
  if (unhandledErrors.some((error) => String((error as Error).message).includes('[vitest-pool]'))) return null
  if (unhandledErrors.length > 0 && failed.length === 0) failed.push('')
  return { failed, message: (messages[0] ?? '').split('\n')[0] ?? '' }
}

process.on('message', (request: TestRequest) => {
  run(request).then(
    (reply) => process.send?.(reply),
    (error: unknown) => {
      console.error(error)
      process.exit(1)
    },
  )
})
// The parent has exited. The workers are in this process group; a worker whose test does not end would stay alive.
process.on('disconnect', () => process.kill(-process.pid, 'SIGKILL'))
process.send?.('ready')

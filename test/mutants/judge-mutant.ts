/** Runs the tests of a mutant in a copy of the tree. A mutant is killed if a test fails or does not end. */
import { createHash } from 'node:crypto'
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { batchesOf } from './batches.ts'
import type { MechanicalMutant } from './choose.ts'
import { openReach, type Reaching } from './reach.ts'
import { openTests, type TestProcess } from './test-process.ts'
import { copyTree, sourceText, type Tree } from './tree.ts'

export interface Task {
  readonly kind: 'by hand' | 'mechanical'
  readonly name: string
  readonly file: string
  readonly tests: readonly string[]
  /** The file with the mutant. */
  readonly text: string
}
/** The verdict of the tests of one file on a mutant. */
export interface Finding {
  readonly fate: 'killed' | 'killed by the time limit' | 'passed'
  /** The test file and the test that failed; null if all passed. */
  readonly by: string | null
  /** How many of the file's tests reach it; null if all tests ran. */
  readonly reachedBy: number | null
  readonly seconds: number
}
interface Judge {
  /** True while the tests of the file cannot start, since another job records which of them reach a mutant. */
  waitsFor(testFile: string): boolean
  /** The finding of an earlier run. */
  kept(task: Task, testFile: string): Finding | undefined
  /** A copy of the tree in which mutants are judged one after another. */
  open(): { judge(task: Task, testFile: string): Promise<Finding>; close(): void }
  close(): void
}

/** For one test file. The slowest file takes half of this on an idle machine. */
const limitMs = 240_000
/** For tests whose time without a mutant is known. */
const limitOf = (ms: number): number => Math.min(limitMs, 10_000 + 5 * ms)

type Found = Pick<Finding, 'by'> & { readonly fate: 'killed' | 'killed by the time limit' }

export const makeJudge = (root: string, mutants: readonly MechanicalMutant[], isFresh: boolean): Judge => {
  const results = openResults(root, isFresh)
  const reach = openReach(root, mutants)
  const sound = new Map<string, Sound>()
  return {
    waitsFor: reach.isRecording,
    kept: (task, testFile) => results.find(keyOf(root, task, testFile)),
    open: () => {
      const tree = copyTree(root)
      const tests = openTests(tree.root)
      return {
        judge: async (task, testFile) => {
          const start = performance.now()
          const chosen = task.kind === 'by hand' ? null : await reach.of(task.name, testFile)
          let found: Found | null = null
          for (const batch of chosen === null ? [null] : batchesOf(chosen))
            found ??= await judgeBy(task, testFile, batch, { tree, tests, sound })
          const finding: Finding = {
            fate: found?.fate ?? 'passed',
            by: found?.by ?? null,
            reachedBy: chosen?.length ?? null,
            seconds: (performance.now() - start) / 1000,
          }
          results.keep(keyOf(root, task, testFile), task.name, testFile, finding)
          return finding
        },
        close: () => {
          tests.close()
          tree.close()
        },
      }
    },
    close: reach.close,
  }
}

/**
 * Runs the selected tests of a file. A test that also fails without the mutant is ignored. A test that is slow without the mutant did not fail: a busy
 * machine may need more than the time limit, so the mutant is then judged again with the limit for the time that it took.
 */
const judgeBy = async (
  { file, text }: Task,
  testFile: string,
  chosen: readonly Reaching[] | null,
  { tree, tests, sound }: { readonly tree: Tree; readonly tests: TestProcess; readonly sound: Map<string, Sound> },
): Promise<Found | null> => {
  let limit = chosen === null ? limitMs : limitOf(chosen.reduce((sum, { ms }) => sum + ms, 0))
  let names = chosen?.map(({ name }) => name) ?? null
  for (;;) {
    tests.changed(file)
    const reply = await tree.withText(file, text, () => tests.run({ file: testFile, tests: names }, limit))
    tests.changed(file)
    const isLate = reply === 'late'
    if (!isLate && reply.failed.length === 0) return null
    // If no test is named, the file did not load or did not end.
    const failed = isLate ? undefined : reply.failed.find((name) => name !== '')
    const by = failed === undefined ? testFile : `${testFile}: ${failed}`
    const alone = failed === undefined ? names : [failed]
    const key = JSON.stringify([testFile, alone])
    const clean = sound.get(key) ?? (await judgeSound(tests, testFile, alone))
    sound.set(key, clean)
    if (clean.fault === null) {
      if (!isLate) return { fate: 'killed', by }
      if (clean.ms < limit || limit === limitMs) return { fate: 'killed by the time limit', by }
      limit = limitOf(clean.ms)
      continue
    }
    console.log(`${by} fails without a mutant: nothing is judged by it (${clean.fault})`)
    names = failed === undefined ? [] : (names?.filter((name) => name !== failed) ?? [])
    if (names.length === 0) return null
  }
}

/** How tests ended without a mutant: what failed, or null, and their time. */
interface Sound {
  readonly fault: string | null
  readonly ms: number
}

/** Runs tests without a mutant. One of two runs must pass: a run can fail because its process was stopped or had no memory. */
const judgeSound = async (tests: TestProcess, file: string, names: readonly string[] | null): Promise<Sound> => {
  for (let attempt = 1; ; attempt++) {
    const start = performance.now()
    const reply = await tests.run({ file, tests: names }, limitMs)
    const ms = performance.now() - start
    if (reply !== 'late' && reply.failed.length === 0) return { fault: null, ms }
    const fault = reply === 'late' ? `it did not end in ${limitMs / 1000} s` : reply.message
    if (attempt === 2) return { fault, ms }
    console.log(`${file}${names?.length === 1 ? `: ${names[0]}` : ''} failed once without a mutant: ${fault}`)
  }
}

/** By content: a mutant is judged again if its file or the test has changed. */
const keyOf = (root: string, { text, file }: Task, testFile: string): string =>
  createHash('sha256')
    .update(file)
    .update(text)
    .update(testFile)
    .update(sourceText(root, testFile))
    .digest('hex')
    .slice(0, 24)

const openResults = (root: string, isFresh: boolean) => {
  const folder = join(root, '.effuse/mutants')
  const file = join(folder, 'results.jsonl')
  mkdirSync(folder, { recursive: true })
  if (isFresh) {
    rmSync(file, { force: true })
    rmSync(join(folder, 'reach'), { recursive: true, force: true })
  }
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : []
  const known = new Map<string, Finding>(
    lines.map((line) => {
      const { key, ...kept } = JSON.parse(line) as Finding & { readonly key: string } // keep() wrote it
      return [key, kept]
    }),
  )
  return {
    find: (key: string): Finding | undefined => known.get(key),
    keep: (key: string, name: string, test: string, finding: Finding): void =>
      appendFileSync(file, `${JSON.stringify({ key, name, test, ...finding })}\n`),
  }
}

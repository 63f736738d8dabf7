/** Runs the tests of a mutant in a copy of the tree. One that makes a test fail, or never end, is killed. */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { copyTree, sourceText } from './tree.ts'

export interface Task {
  readonly kind: 'by hand' | 'mechanical'
  readonly name: string
  readonly file: string
  readonly tests: readonly string[]
  /** The file with the mutant in it. */
  readonly text: string
}
export interface Verdict {
  readonly fate: 'killed' | 'killed by the time limit' | 'survived'
  /** The test file that saw it. */
  readonly by: string | null
  readonly seconds: number
  /** From an earlier run. */
  readonly isKept: boolean
}
interface Judge {
  /** A copy of the tree to judge in, one mutant after the other. */
  open(): { judge(task: Task): Promise<Verdict>; close(): void }
}

/** Of one test file; the slowest takes a fifth of it alone on the machine. */
const limitMs = 240_000

export const makeJudge = (root: string, isFresh: boolean): Judge => {
  const results = openResults(root, isFresh)
  const sound = new Set<string>()
  return {
    open: () => {
      const tree = copyTree(root)
      /** A test that fails without a mutant kills nothing. */
      const checkSound = async (test: string): Promise<void> => {
        if (sound.has(test)) return
        const fate = await runTest(tree.root, test)
        if (fate !== 'passed') throw new Error(`${test} fails without a mutant: nothing can be judged by it`)
        sound.add(test)
      }
      return {
        judge: async (task) => {
          const key = keyOf(root, task)
          const kept = results.find(key)
          if (kept !== undefined) return { ...kept, isKept: true }
          const start = performance.now()
          let verdict: Omit<Verdict, 'isKept' | 'seconds'> = { fate: 'survived', by: null }
          for (const test of task.tests) {
            const found = await tree.withText(task.file, task.text, () => runTest(tree.root, test))
            if (found === 'passed') continue
            await checkSound(test)
            verdict = { fate: found === 'failed' ? 'killed' : 'killed by the time limit', by: test }
            break
          }
          const whole = { ...verdict, seconds: (performance.now() - start) / 1000 }
          results.keep(key, task.name, whole)
          return { ...whole, isKept: false }
        },
        close: tree.close,
      }
    },
  }
}

const runTest = (root: string, test: string): Promise<'passed' | 'failed' | 'late'> =>
  new Promise((resolve) => {
    const args = ['node_modules/vitest/vitest.mjs', 'run', '--bail=1', '--reporter=dot', test]
    const child = spawn(process.execPath, args, { cwd: root, stdio: 'ignore', detached: true })
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      // The test's own processes, too: a group of its own.
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    }, limitMs)
    child.on('close', (code) => {
      clearTimeout(timer)
      resolve(isLate ? 'late' : code === 0 ? 'passed' : 'failed')
    })
  })

/** By content: a mutant is judged again when its file or one of its tests has changed. */
const keyOf = (root: string, { text, file, tests }: Task): string => {
  const hash = createHash('sha256').update(file).update(text)
  for (const test of tests) hash.update(test).update(sourceText(root, test))
  return hash.digest('hex').slice(0, 24)
}

type Kept = Omit<Verdict, 'isKept'>
const openResults = (root: string, isFresh: boolean) => {
  const folder = join(root, '.effuse/mutants')
  const file = join(folder, 'results.jsonl')
  mkdirSync(folder, { recursive: true })
  if (isFresh) rmSync(file, { force: true })
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : []
  const known = new Map<string, Kept>(
    lines.map((line) => {
      const { key, ...kept } = JSON.parse(line) as Kept & { readonly key: string } // keep() wrote it
      return [key, kept]
    }),
  )
  return {
    find: (key: string): Kept | undefined => known.get(key),
    keep: (key: string, name: string, kept: Kept): void =>
      appendFileSync(file, `${JSON.stringify({ key, name, ...kept })}\n`),
  }
}

/** Which tests of a file reach which mutants. A run of the file without mutants records it once, in `.effuse/mutants/reach`. */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { MechanicalMutant } from './choose.ts'
import { recording } from './mechanical.ts'
import { openTests, type TestProcess } from './test-process.ts'
import { copyTree, sourceText, type Tree } from './tree.ts'

/** A test that reaches a mutant. */
export interface Reaching {
  /** The full name. */
  readonly name: string
  /** Its time without a mutant. */
  readonly ms: number
}

export interface Reach {
  /** The tests of the file that reach the mutant; all tests if loading the file reaches it. */
  of(mutant: string, testFile: string): Promise<readonly Reaching[]>
  /** Is a run of the file in progress that records it? */
  isRecording(testFile: string): boolean
  close(): void
}

interface Recorded {
  /** The recorded mutants. */
  readonly mutants: readonly string[]
  readonly tests: readonly (Reaching & { readonly reached: readonly string[] })[]
  /** Reached between tests. */
  readonly always: readonly string[]
}

/** For one file without mutants. */
const limitMs = 900_000

export const openReach = (root: string, mutants: readonly Omit<MechanicalMutant, 'tests'>[]): Reach => {
  const folder = join(root, '.effuse/mutants/reach')
  mkdirSync(folder, { recursive: true })
  const always = new Set(mutants.flatMap(({ name, site }) => (site.reached.kind === 'always' ? [name] : [])))
  const known = new Map<string, Promise<Recorded>>()
  const inProgress = new Set<string>()
  /** Copies that are not in use. Each job can record at the same time. */
  const free: Place[] = []
  const all: Place[] = []

  const open = (): Place => {
    const tree = copyTree(root)
    for (const file of new Set(mutants.map((mutant) => mutant.file))) {
      const sites = mutants.flatMap(({ file: other, site }, number) =>
        other === file ? [[number, site] as const] : [],
      )
      writeFileSync(join(tree.root, file), recording(sourceText(root, file), sites, mutants.length))
    }
    const written = join(tree.root, 'reached.jsonl')
    const place = { tree, tests: openTests(tree.root, written), written }
    all.push(place)
    return place
  }

  const record = async (testFile: string, { tests, written }: Place): Promise<Recorded> => {
    rmSync(written, { force: true })
    const reply = await tests.run({ file: testFile, tests: null }, limitMs)
    if (reply === 'late') throw new Error(`${testFile} does not end without a mutant`)
    const failed = new Set(reply.failed)
    if (failed.has('')) throw new Error(`${testFile} fails without a mutant`)
    for (const name of failed) console.log(`${testFile}: ${name} fails without a mutant: nothing is judged by it`)
    const lines = existsSync(written) ? readFileSync(written, 'utf8').split('\n').filter(Boolean) : []
    const entries = lines.map(
      (line) => JSON.parse(line) as { test: string | null; ms: number; reached: number[] }, // record-reach.ts wrote it
    )
    const namesOf = (numbers: readonly number[]): readonly string[] =>
      numbers.map((number) => (mutants[number] as (typeof mutants)[number]).name) // open() numbered them
    return {
      mutants: mutants.map(({ name }) => name),
      tests: entries.flatMap(({ test, ms, reached }) =>
        test === null || failed.has(test) ? [] : [{ name: test, ms, reached: namesOf(reached) }],
      ),
      always: entries.flatMap(({ test, reached }) => (test === null ? namesOf(reached) : [])),
    }
  }

  const isOf = (mutant: string, { mutants: names }: Recorded): boolean => names.includes(mutant)

  /** The kept record if it is also of this mutant, else a new one. */
  const recorded = async (testFile: string, mutant: string): Promise<Recorded> => {
    const key = createHash('sha256').update(testFile).update(sourceText(root, testFile)).digest('hex').slice(0, 24)
    const file = join(folder, `${key}.json`)
    if (existsSync(file)) {
      const kept = JSON.parse(readFileSync(file, 'utf8')) as Recorded // written below
      if (isOf(mutant, kept)) return kept
    }
    inProgress.add(testFile)
    const place = free.pop() ?? open()
    const found = await record(testFile, place)
    free.push(place)
    inProgress.delete(testFile)
    writeFileSync(file, JSON.stringify(found))
    return found
  }

  return {
    of: async (mutant, testFile) => {
      const first = known.get(testFile) ?? recorded(testFile, mutant)
      if (!known.has(testFile)) known.set(testFile, first)
      // A kept record may lack mutants that were drawn later. A new one has all.
      if (!isOf(mutant, await first) && known.get(testFile) === first) known.set(testFile, recorded(testFile, mutant))
      const found = await (known.get(testFile) ?? first)
      const isAlways = always.has(mutant) || found.always.includes(mutant)
      return found.tests.filter(({ reached }) => isAlways || reached.includes(mutant))
    },
    isRecording: (testFile) => inProgress.has(testFile),
    close: () => {
      for (const { tests, tree } of all) {
        tests.close()
        tree.close()
      }
    },
  }
}

/** A copy of the tree with the marks of recording(), and the records of its tests. */
interface Place {
  readonly tree: Tree
  readonly tests: TestProcess
  readonly written: string
}

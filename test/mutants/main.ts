/**
 * `npm run mutants`: judges each mutant in a copy of the tree by its tests. Verdicts are stored by content in `.effuse/mutants/results.jsonl`, so
 * that an interrupted run continues.
 */
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { mutantsByHand } from './by-hand/index.ts'
import { chooseMutants, type MechanicalMutant, mutatedFile } from './choose.ts'
import { equivalents } from './equivalents.ts'
import { makeJudge, type Task } from './judge-mutant.ts'
import { mutated } from './mutant.ts'
import { sourceText } from './tree.ts'

const root = process.cwd()
/** The required share of killed mutants among the mechanical mutants that are not equivalent. */
const killedLeast = 0.95

/** Null for an unknown flag. */
const readArguments = () => {
  try {
    return parseArgs({
      options: {
        'by-hand': { type: 'boolean', default: false },
        mechanical: { type: 'boolean', default: false },
        only: { type: 'string', default: '' },
        count: { type: 'string', default: '300' },
        seed: { type: 'string', default: '1' },
        jobs: { type: 'string', default: String(Math.min(2, availableParallelism())) },
        fresh: { type: 'boolean', default: false },
        list: { type: 'boolean', default: false },
      },
    }).values
  } catch {
    return null
  }
}

const main = async (): Promise<number> => {
  const values = readArguments()
  if (values === null || [values.count, values.seed, values.jobs].some((text) => !/^[1-9]\d*$/.test(text))) {
    console.error(
      'usage: npm run mutants -- [--by-hand] [--mechanical] [--only TEXT] [--count N] [--seed N] [--jobs N] [--fresh] [--list]',
    )
    return 2
  }
  const { only, count, seed } = values
  const isBoth = values['by-hand'] === values.mechanical
  const byHand = (isBoth || values['by-hand'] ? mutantsByHand : []).map(
    (mutant): Task => ({ ...mutant, kind: 'by hand', text: mutated(sourceText(root, mutant.file), mutant) }),
  )
  const drawn = isBoth || values.mechanical ? chooseMutants(root, Number(count), Number(seed)) : []
  const mechanical = drawn.map(
    (mutant): Task => ({ ...mutant, kind: 'mechanical', text: mutatedFile(sourceText(root, mutant.file), mutant) }),
  )
  const tasks = [...byHand, ...mechanical].filter(({ name, file }) => name.includes(only) || file.includes(only))
  if (values.list) {
    for (const { kind, name } of tasks) console.log(`${kind}: ${name}`)
    return 0
  }
  const start = performance.now()
  const verdicts = await judgeAll(tasks, drawn, Number(values.jobs), values.fresh)
  const minutes = (performance.now() - start) / 60_000
  return report(verdicts, minutes)
}

interface Judged {
  readonly task: Task
  readonly fate: 'killed' | 'killed by the time limit' | 'survived' | 'equivalent'
}

/**
 * Judges all mutants by the first of their test files, which is the most likely to kill them, then the others by the second one, and so on. So an
 * interrupted run has judged most mutants.
 */
const judgeAll = async (
  tasks: readonly Task[],
  drawn: readonly MechanicalMutant[],
  jobs: number,
  isFresh: boolean,
): Promise<readonly Judged[]> => {
  const judge = makeJudge(root, drawn, isFresh)
  const done: Judged[] = []
  const isEquivalent = ({ name }: Task): boolean => equivalents.some((equivalent) => equivalent.name === name)
  const queue = tasks.filter((task) => !isEquivalent(task)).map((task) => ({ task, at: 0, seconds: 0, reachedBy: 0 }))
  const end = (task: Task, fate: Judged['fate'], seconds: number, by: string): void => {
    done.push({ task, fate })
    console.log(`${done.length}/${tasks.length} ${fate} (${seconds.toFixed(1)} s) ${task.name}${by}`)
  }
  /** The next mutant whose tests can start; if there is none, the next one. */
  const take = (): (typeof queue)[number] | undefined => {
    const ready = queue.findIndex(({ task, at }) => !judge.waitsFor(task.tests[at] ?? ''))
    return queue.splice(Math.max(0, ready), 1)[0]
  }
  const work = async (): Promise<void> => {
    let place: ReturnType<typeof judge.open> | null = null
    try {
      for (let next = take(); next !== undefined; next = take()) {
        const { task, at } = next
        const test = task.tests[at]
        if (test === undefined) {
          end(task, 'survived', next.seconds, next.reachedBy === 0 ? ' (no test reaches it)' : '')
          continue
        }
        const kept = judge.kept(task, test)
        if (kept === undefined) place ??= judge.open()
        const found = kept ?? (await (place as NonNullable<typeof place>).judge(task, test)) // it is open
        const seconds = next.seconds + (kept === undefined ? found.seconds : 0)
        if (found.fate === 'passed')
          queue.push({ task, at: at + 1, seconds, reachedBy: next.reachedBy + (found.reachedBy ?? 1) })
        else end(task, found.fate, seconds, ` by ${found.by}`)
      }
    } finally {
      place?.close()
    }
  }
  for (const task of tasks.filter(isEquivalent)) end(task, 'equivalent', 0, '')
  try {
    await Promise.all(Array.from({ length: jobs }, work))
  } finally {
    judge.close()
  }
  return done
}

const report = (all: readonly Judged[], minutes: number): number => {
  const survivors = all.filter(({ fate }) => fate === 'survived')
  const counts = (['by hand', 'mechanical'] as const).map((kind) => {
    const of = all.filter(({ task }) => task.kind === kind)
    const equivalent = of.filter(({ fate }) => fate === 'equivalent').length
    const survived = of.filter(({ fate }) => fate === 'survived').length
    return { kind, killed: of.length - equivalent - survived, of: of.length - equivalent, equivalent }
  })
  if (survivors.length > 0) console.log(`\nsurvived:\n${survivors.map(({ task }) => `  ${task.name}`).join('\n')}`)
  for (const { kind, killed, of, equivalent } of counts)
    if (of > 0)
      console.log(
        `${kind}: ${killed} of ${of} killed, ${((100 * killed) / of).toFixed(1)} %${equivalent === 0 ? '' : `; ${equivalent} equivalent`}`,
      )
  console.log(`in ${minutes.toFixed(1)} minutes`)
  const [byHand, mechanical] = counts
  const isGood = byHand?.killed === byHand?.of && (mechanical?.killed ?? 0) >= killedLeast * (mechanical?.of ?? 0)
  return isGood ? 0 : 1
}

process.exitCode = await main()

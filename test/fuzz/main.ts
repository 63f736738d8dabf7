/** `npm run fuzz`: runs each target in a child process and watches it, because a case can hang or crash its process. */
import { fork } from 'node:child_process'
import { mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { SingleBar } from 'cli-progress'
import { fuzz, type FuzzReport, replay } from './fuzz.ts'
import { failures, keepFailure, mended } from './kept.ts'
import { type AnyTarget, targets } from './targets/index.ts'
import type { FuzzTarget } from './target.ts'

const root = process.cwd()
/** The limit for one case, in milliseconds. judge() reports slow cases that end, and shrinks them. */
const hangMs = 30_000

type Message =
  | { readonly kind: 'case'; readonly count: number }
  | { readonly kind: 'kept'; readonly path: string; readonly message: string }
  | { readonly kind: 'report'; readonly report: Omit<FuzzReport, 'failure'>; readonly failure: string | null }

/**
 * Writes the current case to a file that survives the process: its length, then its bytes. Opening a file for each case would take longer than most
 * cases.
 */
const caseRecorder = (path: string): ((bytes: Uint8Array) => void) => {
  const file = openSync(path, 'w')
  return (bytes) => {
    const record = new Uint8Array(4 + bytes.length)
    new DataView(record.buffer).setUint32(0, bytes.length)
    record.set(bytes, 4)
    writeSync(file, record, 0, record.length, 0)
  }
}
const recordedCase = (path: string): Uint8Array => {
  const record = readFileSync(path)
  return record.subarray(4, 4 + record.readUInt32BE(0))
}

/** The child process: stored cases, then random ones. */
const work = async (target: AnyTarget, cases: number, seed: number, caseFile: string): Promise<void> => {
  const send = (message: Message): void => {
    process.send?.(message)
  }
  const record = caseRecorder(caseFile)
  const anyTarget = target as FuzzTarget<unknown> // a target draws and reads its own cases
  for (const { path, bytes } of [...mended(root, target), ...failures(root, target)]) {
    record(bytes)
    const message = await replay(anyTarget, bytes)
    if (message !== null) send({ kind: 'kept', path, message })
  }
  let last = 0
  const onCase = (count: number, bytes: Uint8Array): void => {
    record(bytes)
    if (performance.now() - last < 200) return
    last = performance.now()
    send({ kind: 'case', count })
  }
  const { failure, ...report } = await fuzz(anyTarget, { cases, seed, onCase })
  if (failure !== null) record(failure.bytes)
  send({ kind: 'report', report, failure: failure?.message ?? null })
  process.disconnect?.()
}

interface Ended {
  readonly report: Omit<FuzzReport, 'failure'> | null
  /** The fault. The case is in the file. */
  readonly failure: string | null
  readonly kept: readonly (Message & { readonly kind: 'kept' })[]
}

const watch = (target: AnyTarget, cases: number, seed: number, caseFile: string): Promise<Ended> =>
  new Promise((resolve) => {
    const child = fork(
      fileURLToPath(import.meta.url),
      ['--child', target.name, '--cases', `${cases}`, '--seed', `${seed}`],
      {
        execArgv: ['--enable-source-maps', '--max-old-space-size=1024'],
        env: { ...process.env, EFFUSE_FUZZ_CASE: caseFile },
      },
    )
    const bar = new SingleBar({
      format: `${target.name.padEnd(14)} {bar} {value}/{total}  {duration_formatted}`,
      noTTYOutput: true,
      notTTYSchedule: 20_000,
    })
    bar.start(cases, 0)
    let [ended, kept, hangs]: [Ended | null, (Message & { kind: 'kept' })[], boolean] = [null, [], false]
    const startTimer = (): NodeJS.Timeout =>
      setTimeout(() => {
        hangs = true
        child.kill('SIGKILL')
      }, hangMs)
    let timer = startTimer()
    child.on('message', (message: Message) => {
      clearTimeout(timer)
      timer = startTimer()
      if (message.kind === 'case') bar.update(Math.min(message.count, cases))
      else if (message.kind === 'kept') kept = [...kept, message]
      else ended = { report: message.report, failure: message.failure, kept }
    })
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      if (ended?.failure === null) bar.update(cases)
      bar.stop()
      const fate = hangs
        ? `it did not end within ${hangMs / 1000} s`
        : `the process ended with ${signal ?? `code ${code}`}`
      resolve(ended ?? { report: null, failure: fate, kept })
    })
  })

const summary = ({ accepted, refused, cases }: Omit<FuzzReport, 'failure'>): string => {
  const codes = Object.entries(refused).sort(([, a], [, b]) => b - a)
  const shown = codes.map(([code, count]) => `${code} ${count}`).join(', ')
  return `${cases} cases: ${Math.round((100 * accepted) / cases)} % accepted; refused: ${shown || 'none'}`
}

interface Arguments {
  readonly values: { readonly cases?: string; readonly seed?: string; readonly child?: string }
  readonly positionals: readonly string[]
}

/** Null for an unknown flag. */
const readArguments = (): Arguments | null => {
  try {
    return parseArgs({
      allowPositionals: true,
      options: { cases: { type: 'string' }, seed: { type: 'string' }, child: { type: 'string' } },
    })
  } catch {
    return null
  }
}

const main = async (): Promise<number> => {
  const { values, positionals } = readArguments() ?? { values: { cases: 'none' }, positionals: [] }
  const { cases: wanted = '100000', seed: chosen = `${Date.now() % 2 ** 31}`, child: name } = values
  const [cases, seed] = [Number(wanted), Number(chosen)]
  const unknown = positionals.find((target) => !targets.some((known) => known.name === target))
  if (unknown !== undefined || !Number.isSafeInteger(cases) || cases < 1 || !Number.isSafeInteger(seed)) {
    console.error(
      `usage: npm run fuzz -- [target…] [--cases N] [--seed S]\n${targets.map(({ name: target, summary: of }) => `  ${target.padEnd(14)} ${of}`).join('\n')}`,
    )
    return 2
  }
  const child = targets.find((target) => target.name === name)
  if (child !== undefined) {
    await work(child, cases, seed, process.env['EFFUSE_FUZZ_CASE'] ?? '')
    return 0
  }
  const folder = mkdtempSync(join(tmpdir(), 'effuse-fuzz-case-'))
  let found = 0
  try {
    for (const target of targets.filter(({ name }) => positionals.length === 0 || positionals.includes(name))) {
      const caseFile = join(folder, target.name)
      const { report, failure, kept } = await watch(target, cases, seed, caseFile)
      for (const { path, message } of kept) console.log(`${relative(root, path)}: ${message}`)
      if (report !== null) console.log(`${target.name}: ${summary(report)}`)
      found += kept.length
      if (failure === null) continue
      found++
      const path = keepFailure(root, target, recordedCase(caseFile))
      console.log(`${target.name}, seed ${seed}: ${failure}\n  the case: ${relative(root, path)}`)
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  console.log(
    found === 0 ? `no failure, seed ${seed}` : `${found} ${found === 1 ? 'failure' : 'failures'}, seed ${seed}`,
  )
  return found === 0 ? 0 : 1
}

process.exitCode = await main()

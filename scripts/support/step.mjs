// Shared parts of the scripts: lines of progress, running programs, and failures as one paragraph.
// Uses only Node and no npm packages, because these scripts install the packages.
import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { fileURLToPath } from 'node:url'

/** The repository's root folder. */
export const root = fileURLToPath(new URL('../../', import.meta.url))

/** A failed step, with a paragraph for the user: what was expected, what happened, what to do. */
export class StepError extends Error {
  /** @param {string} message @param {number} [exitCode] of the script, 1 without it */
  constructor(message, exitCode = 1) {
    super(message)
    this.exitCode = exitCode
  }
}

/** Prints one line of progress on stderr, so that stdout has only results. @param {string} line */
export const say = (line) => {
  process.stderr.write(`${line}\n`)
}

/**
 * Runs a script's work. A StepError ends it with its paragraph and exit code, without a stack trace. Other errors are bugs and keep their trace.
 * @param {() => Promise<void>} work
 */
export const script = async (work) => {
  try {
    await work()
  } catch (error) {
    if (!(error instanceof StepError)) throw error
    say(`\nerror: ${error.message}`)
    process.exitCode = error.exitCode
  }
}

/**
 * Runs a program in the repository's root and shows its output. Returns its exit code; `null` if the program does not exist.
 * @param {string} program @param {readonly string[]} args
 * @returns {Promise<number | null>}
 */
export const runShown = (program, args) =>
  new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: root, stdio: 'inherit' })
    child.on('error', (error) => (isMissing(error) ? resolve(null) : reject(error)))
    child.on('close', (code) => resolve(code ?? 1))
  })

/**
 * Runs a program in the repository's root, shows its progress (stderr) and returns its result (stdout). The program handles Ctrl-C itself, so that it
 * can end cleanly.
 * @param {string} program @param {readonly string[]} args
 * @returns {Promise<{ code: number, output: string }>}
 */
export const runForOutput = async (program, args) => {
  const ignore = () => {}
  process.on('SIGINT', ignore)
  try {
    return await new Promise((resolve, reject) => {
      const child = spawn(program, args, { cwd: root, stdio: ['inherit', 'pipe', 'inherit'] })
      let output = ''
      child.stdout.setEncoding('utf8').on('data', (/** @type {string} */ text) => {
        output += text
      })
      child.on('error', reject)
      // The code as in shells, because a program that a signal ended has no exit code.
      child.on('close', (code, signal) =>
        resolve({ code: code ?? 128 + constants.signals[signal ?? 'SIGKILL'], output }),
      )
    })
  } finally {
    process.off('SIGINT', ignore)
  }
}

/**
 * Runs a program, by default in the repository's root, and returns its output; `null` if the program does not exist.
 * @param {string} program @param {readonly string[]} args @param {string} [cwd]
 * @returns {Promise<{ code: number, output: string } | null>}
 */
export const runQuietly = (program, args, cwd = root) =>
  new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (/** @type {string} */ text) => {
        output += text
      })
    }
    child.on('error', (error) => (isMissing(error) ? resolve(null) : reject(error)))
    child.on('close', (code) => resolve({ code: code ?? 1, output }))
  })

/** @param {Error} error */
const isMissing = (error) => 'code' in error && error.code === 'ENOENT'

/**
 * A process of Python that speaks JSON, a document a line (python/protocol.py). It ends when its stdin closes: when the bench disposes of it, is
 * interrupted, or is killed.
 */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { EffuseError } from '../ir/diagnostics.ts'

/** A line of the process. */
export interface Answer {
  readonly ready?: { readonly versions: string; readonly ms: number }
  readonly missing?: string
  readonly python?: string
  readonly unable?: string
  readonly ms?: number
  readonly outputs?: readonly number[] | null
}

export interface PythonProcess {
  /** Sends a document; the next line is its answer. @throws EffuseError EF405 where the process has ended, or says something else */
  ask(document: object): Promise<Answer>
  end(): void
}

/** @param command The program and its arguments. */
export const startPython = ([program = 'python3', ...args]: readonly string[]): PythonProcess => {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = `${said}${text}`.slice(-4000)
  })
  const waiting: { readonly resolve: (line: string) => void; readonly reject: (error: Error) => void }[] = []
  let ended: EffuseError | null = null
  const fail = (error: EffuseError): void => {
    ended ??= error
    for (const { reject } of waiting.splice(0)) reject(ended)
  }
  child.on('error', (cause) => {
    const hint = 'install Python 3, or name one by the variable EFFUSE_PYTHON'
    fail(new EffuseError({ code: 'EF404', message: `${program} does not start: ${cause.message}`, hint, cause }))
  })
  child.on('close', (code, signal) => {
    const last = said.trim().split('\n').at(-1) ?? ''
    const how = code === null ? `by ${signal}` : `with code ${code}`
    fail(new EffuseError({ code: 'EF405', message: `its process ended ${how}${last === '' ? '' : `: ${last}`}` }))
  })
  child.stdin.on('error', () => {}) // 'close' tells
  createInterface({ input: child.stdout }).on('line', (line) => waiting.shift()?.resolve(line))
  return {
    ask: async (document) => {
      if (ended !== null) throw ended
      const line = new Promise<string>((resolve, reject) => waiting.push({ resolve, reject }))
      child.stdin.write(`${JSON.stringify(document)}\n`)
      return parsed(await line)
    },
    end: () => {
      child.stdin.end()
      child.kill('SIGKILL')
    },
  }
}

const parsed = (line: string): Answer => {
  try {
    const answer: unknown = JSON.parse(line)
    if (typeof answer === 'object' && answer !== null) return answer
  } catch {
    // told below
  }
  throw new EffuseError({ code: 'EF405', message: `its process said "${line.slice(0, 200)}", which is no answer` })
}

/** Runs the programs that setup needs: python3 (pip), npm, node-gyp. Tests replace them. */
import { type ChildProcess, spawn } from 'node:child_process'
import { systemCode } from '../platform/node-file-error.ts'

export interface Done {
  /** The exit code; 128 or more if a signal ended the program. */
  readonly code: number
  /** Standard output and standard error, mixed. */
  readonly output: string
}

export interface RunOptions {
  readonly cwd?: string | undefined
  /** Variables to add to the environment of this process. */
  readonly environment?: Readonly<Record<string, string>> | undefined
}

export interface Tools {
  /** Runs a program until it ends. Returns null if there is no such program. */
  readonly run: (program: string, args: readonly string[], options?: RunOptions) => Promise<Done | null>
  /** Ends all programs that are still running. */
  readonly end: () => void
}

export const realTools = (): Tools => {
  const running = new Set<ChildProcess>()
  return {
    run: (program, args, { cwd, environment } = {}) =>
      new Promise((resolve, reject) => {
        const env = { ...process.env, ...environment }
        const child = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
        running.add(child)
        let output = ''
        for (const stream of [child.stdout, child.stderr])
          stream.setEncoding('utf8').on('data', (text: string) => {
            output += text
          })
        child.on('error', (error) => {
          running.delete(child)
          if (systemCode(error) === 'ENOENT') resolve(null)
          else reject(error)
        })
        child.on('close', (code) => {
          running.delete(child)
          resolve({ code: code ?? 128, output })
        })
      }),
    end: () => {
      for (const child of running) child.kill('SIGKILL')
    },
  }
}

/** The most useful line of a program's output: the last line with "error", otherwise the last line. */
export const reasonIn = (output: string): string => {
  const lines = output
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
  return lines.findLast((line) => /error/i.test(line)) ?? lines.at(-1) ?? 'nothing'
}

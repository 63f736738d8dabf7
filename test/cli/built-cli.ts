/** The command line as a separate process, for behaviour that only a process has. */
import type { ChildProcess } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

export interface Ended {
  readonly code: number | null
  readonly signal: string | null
  readonly out: string
  readonly err: string
}

const root = fileURLToPath(new URL('../..', import.meta.url))

export interface BuiltCli {
  readonly path: string
  remove(): Promise<void>
}

export const buildCli = async (): Promise<BuiltCli> => {
  // Beside the built commands, so that it finds the package's own files. git and the tools ignore it.
  const path = join(root, 'dist', 'cli-under-test', `main-${process.pid}.mjs`)
  await build({
    entryPoints: [join(root, 'src/cli/main.ts')],
    outfile: path,
    ...{ bundle: true, platform: 'node', format: 'esm', target: 'es2022', packages: 'external', logLevel: 'error' },
    conditions: ['effuse-source', 'node'],
  })
  return { path, remove: () => rm(path, { force: true }) }
}

/** The output of a process until it exits. */
export const endOf = (child: ChildProcess): Promise<Ended> =>
  new Promise((resolve) => {
    const texts = { out: '', err: '' }
    child.stdout?.on('data', (data) => (texts.out += data))
    child.stderr?.on('data', (data) => (texts.err += data))
    child.on('close', (code, signal) => resolve({ code, signal, ...texts }))
  })

/** Waits until this text is on stderr. */
export const untilSaid = (child: ChildProcess, text: string): Promise<void> =>
  new Promise((resolve, reject) => {
    child.stderr?.on('data', (data) => String(data).includes(text) && resolve())
    child.on('close', () => reject(new Error(`the process ended before it said "${text}"`)))
  })

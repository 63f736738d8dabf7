/** The output of the command line. Tests pass their own. */
import { shellWord } from './invocation.ts'

export interface Io {
  /** One line on stdout. */
  readonly out: (line: string) => void
  /** One line on stderr: progress, warnings, errors. */
  readonly err: (line: string) => void
  /** The terminal for a progress bar; absent: stderr is not a terminal. */
  readonly terminal?: NodeJS.WritableStream | undefined
  /** How the user starts effuse, for commands in messages. Default `effuse`. */
  readonly program?: string | undefined
}

/** The command that resumes a run. */
export const resumeCommand = ({ program = 'effuse' }: Io, folder: string): string =>
  `${program} train --resume ${shellWord(folder)}`

/** Aligns columns: the first to the left, numbers to the right. */
export const table = (head: readonly string[], rows: readonly (readonly (string | number)[])[]): string => {
  const all = [head, ...rows.map((row) => row.map(String))]
  const widths = head.map((_, i) => Math.max(...all.map((row) => (row[i] ?? '').length)))
  const isNumeric = head.map(
    (_, i) => rows.length > 0 && rows.every((row) => typeof row[i] === 'number' || row[i] === '-'),
  )
  return all
    .map((row) =>
      row
        .map((cell, i) => (isNumeric[i] === true ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** 5,330,564 */
export const thousands = (n: number): string => n.toLocaleString('en-US')

/** Wraps text at spaces into lines of at most 80 characters. All lines except the first are indented. Longer words are not split. */
export const folded = (text: string, indent = ''): string => {
  const lines = ['']
  for (const [i, word] of text.split(' ').entries()) {
    const line = lines.at(-1) ?? ''
    if (i === 0 || line.length + 1 + word.length <= columns)
      lines[lines.length - 1] = i === 0 ? word : `${line} ${word}`
    else lines.push(`${indent}${word}`)
  }
  return lines.join('\n')
}
const columns = 80

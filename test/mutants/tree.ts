/** A copy of the working tree, in which sources can be changed without side effects. */
import { execFileSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

export const sourceText = (root: string, file: string): string => readFileSync(join(root, file), 'utf8')

export interface Tree {
  readonly root: string
  /** Runs `work` while the file has the given text, and restores the file afterwards. */
  withText<T>(file: string, text: string, work: () => Promise<T>): Promise<T>
  close(): void
}

/** Files that git tracks or would add: sources, tests and configuration. Packages are linked. */
export const copyTree = (root: string): Tree => {
  const copy = mkdtempSync(join(realpathSync(tmpdir()), 'effuse-mutants-'))
  const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  }).split('\0')
  for (const file of files) {
    if (file === '' || file === 'node_modules' || !existsSync(join(root, file))) continue
    mkdirSync(dirname(join(copy, file)), { recursive: true })
    cpSync(join(root, file), join(copy, file))
  }
  symlinkSync(realpathSync(join(root, 'node_modules')), join(copy, 'node_modules'))
  return {
    root: copy,
    withText: async (file, text, work) => {
      const own = sourceText(copy, file)
      writeFileSync(join(copy, file), text)
      try {
        return await work()
      } finally {
        writeFileSync(join(copy, file), own)
      }
    },
    close: () => rmSync(copy, { recursive: true, force: true }),
  }
}

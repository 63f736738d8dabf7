/** The TypeScript code in documents and docstrings. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../..', import.meta.url))
const read = (path: string): string => readFileSync(join(root, path), 'utf8')

export interface Block {
  /** The file that contains it. */
  readonly name: string
  readonly code: string
}

const docstrings: readonly Block[] = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .flatMap((path) =>
    [...read(join('src', path)).matchAll(/@example([\s\S]*?)\*\//g)].map((m) => ({
      name: `src/${path}`,
      code: (m[1] ?? '').replaceAll('*\\/', '*/').replace(/^\s*\* ?/gm, ''),
    })),
  )
const pages = ['README.md', ...readdirSync(join(root, 'docs')).map((name) => `docs/${name}`)]
const documents: readonly Block[] = pages.flatMap((path) =>
  [...read(path).matchAll(/```ts\n([\s\S]*?)```/g)].map((m) => ({ name: path, code: m[1] ?? '' })),
)
export const blocks: readonly Block[] = [...docstrings, ...documents]

const listed = (code: string, words: string): ReadonlySet<string> =>
  new Set(
    [...code.matchAll(new RegExp(`(?:${words}) (?:\\{([^}]*)\\}|(?:\\* as )?(\\w+))`, 'g'))]
      .flatMap((m) => (m[1] ?? m[2] ?? '').split(','))
      .map((name) => (name.split(/:| as /).at(-1) ?? '').replace(/^\s*type /, '').trim()),
  )
/** The parts of an example: the names that it declares and imports, its import lines, and the rest. */
export const namesIn = (
  code: string,
): {
  readonly declared: ReadonlySet<string>
  readonly imported: ReadonlySet<string>
  readonly imports: readonly string[]
  readonly body: string
} => ({
  declared: listed(code, 'const|let'),
  imported: listed(code, 'import'),
  imports: [...code.matchAll(/^import .*$/gm)].map(([line]) => line),
  body: code.replace(/^import .*$/gm, ''),
})

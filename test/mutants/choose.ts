/** Selects mechanical mutants: draws them by a seed from all folders, and omits those that fail the type check. */
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import { apply, type Site, sitesIn } from './mechanical.ts'
import type { Mutant } from './mutant.ts'
import { testsFor } from './tests-for.ts'

/** The folders, and the share of each in a hundred mutants. */
const shares = [
  ['src/ir/ops', 20],
  ['src/passes', 34],
  ['src/backends/codegen', 14],
  ['src/backends/wasm', 14],
  ['src/backends/tfjs', 10],
  ['src/backends/common', 2],
  ['src/train', 6],
] as const

export const drawnFolders: readonly string[] = shares.map(([folder]) => folder)

export interface MechanicalMutant extends Omit<Mutant, 'find' | 'replace'> {
  readonly site: Site
}

/** The whole file with the mutant in it. */
export const mutatedFile = (text: string, { site }: MechanicalMutant): string => apply(text, site)

export const chooseMutants = (root: string, count: number, seed: number): readonly MechanicalMutant[] => {
  const all = shares.map(([folder, share]) => ({
    folder,
    wanted: Math.round((count * share) / 100),
    mutants: shuffled(
      sourcesIn(root, folder).flatMap((file) => mutantsIn(root, file)),
      seed,
    ),
  }))
  const refused = openRefused(root)
  let check: ReturnType<typeof typeChecker> | null = null
  const chosen = all.flatMap(({ mutants, wanted }) => {
    const taken: MechanicalMutant[] = []
    for (const mutant of mutants) {
      if (taken.length === wanted) break
      const text = mutatedFile(readFileSync(join(root, mutant.file), 'utf8'), mutant)
      const isRefused = refused.get(mutant.file, text, () => {
        check ??= typeChecker(root)
        return !check(mutant.file, text)
      })
      if (!isRefused) taken.push(mutant)
    }
    return taken
  })
  refused.close()
  // Alternates between folders, so that an interrupted run has judged a representative part.
  return shuffled(chosen, seed)
}

/** The results of the type check, by the text of the mutant: it takes minutes for 300 mutants. */
const openRefused = (root: string) => {
  const file = join(root, '.effuse/mutants/type-checks.json')
  const known = new Map<string, boolean>()
  try {
    for (const [key, isRefused] of Object.entries(JSON.parse(readFileSync(file, 'utf8')) as Record<string, boolean>))
      known.set(key, isRefused)
  } catch {
    // There is no file yet, or a run was interrupted while writing it.
  }
  return {
    get: (name: string, text: string, compute: () => boolean): boolean => {
      const key = createHash('sha256').update(name).update(text).digest('hex').slice(0, 24)
      const isRefused = known.get(key) ?? compute()
      known.set(key, isRefused)
      return isRefused
    },
    close: (): void => {
      mkdirSync(join(root, '.effuse/mutants'), { recursive: true })
      writeFileSync(file, JSON.stringify(Object.fromEntries(known)))
    },
  }
}

/** Files written by hand for one device each: no test reaches them without hardware. */
const left: readonly RegExp[] = [/\/by-hand/, /opfs/, /\/index\.ts$/, /signatures|tfjs-types/]

const sourcesIn = (root: string, folder: string): readonly string[] =>
  readdirSync(join(root, folder), { recursive: true })
    .map(String)
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `${folder}/${name}`)
    .filter((file) => !left.some((pattern) => pattern.test(file)))
    .sort()

/** All mutants of a file. */
export const mutantsIn = (root: string, file: string): readonly MechanicalMutant[] => {
  const text = readFileSync(join(root, file), 'utf8')
  const seen = new Map<string, number>()
  return sitesIn(file, text).map((site) => {
    const before = text.slice(site.start, site.end)
    const short = (words: string): string => words.replaceAll(/\s+/g, ' ').slice(0, 60)
    const line = text.slice(text.lastIndexOf('\n', site.start - 1) + 1).split('\n', 1)[0] ?? ''
    const what = `${file}: ${site.operator}: "${short(before)}" is "${short(site.replacement)}" in ${short(line.trim())}`
    const times = (seen.get(what) ?? 0) + 1
    seen.set(what, times)
    return { name: times === 1 ? what : `${what} (${times})`, file, site, tests: testsFor(file) }
  })
}

/** Ordered by a hash of their names: a change of one source does not affect the draws from others. */
const shuffled = (list: readonly MechanicalMutant[], seed: number): readonly MechanicalMutant[] => {
  const keys = new Map(list.map(({ name }) => [name, createHash('sha256').update(`${seed} ${name}`).digest('hex')]))
  const keyOf = ({ name }: MechanicalMutant): string => keys.get(name) ?? ''
  return list.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
}

/** Does a file with another text have no type errors of its own? */
const typeChecker = (root: string): ((file: string, text: string) => boolean) => {
  const parsed = ts.parseJsonConfigFileContent(
    ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile).config,
    ts.sys,
    root,
  )
  const files = parsed.fileNames.filter((file) => file.includes('/src/'))
  const changed = new Map<string, { readonly text: string; readonly version: number }>()
  const service = ts.createLanguageService({
    getCompilationSettings: () => parsed.options,
    getScriptFileNames: () => files,
    getScriptVersion: (file) => String(changed.get(file)?.version ?? 0),
    getScriptSnapshot: (file) => {
      const text = changed.get(file)?.text ?? ts.sys.readFile(file)
      return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text)
    },
    getCurrentDirectory: () => root,
    getDefaultLibFileName: ts.getDefaultLibFilePath,
    fileExists: ts.sys.fileExists,
    readFile: ts.sys.readFile,
  })
  let version = 0
  return (file, text) => {
    const path = join(root, file)
    changed.set(path, { text, version: ++version })
    const faults = [...service.getSyntacticDiagnostics(path), ...service.getSemanticDiagnostics(path)]
    changed.set(path, { text: ts.sys.readFile(path) ?? '', version: ++version })
    return faults.length === 0
  }
}

/** Selects the mechanical mutants: drawn by a seed from all folders, without those that fail the type check. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import { apply, type Site, sitesIn } from './mechanical.ts'
import type { Mutant } from './mutant.ts'
import { testsFor } from './tests-for.ts'

/** The places that are drawn from, and how many of a hundred mutants each gets. */
const shares = [
  ['src/ir/ops', 30],
  ['src/passes', 40],
  ['src/backends/tfjs', 18],
  ['src/backends/common', 3],
  ['src/train', 9],
] as const

export interface MechanicalMutant extends Omit<Mutant, 'find' | 'replace'> {
  readonly site: Site
}

/** The whole file with the mutant in it. */
export const mutatedFile = (text: string, { site }: MechanicalMutant): string => apply(text, site)

export const chooseMutants = (root: string, count: number, seed: number): readonly MechanicalMutant[] => {
  const check = typeChecker(root)
  return shares.flatMap(([folder, share]) => {
    const all = sourcesIn(root, folder).flatMap((file) => namedSites(root, file))
    const wanted = Math.round((count * share) / 100)
    const chosen: MechanicalMutant[] = []
    for (const mutant of shuffled(all, seed)) {
      if (chosen.length === wanted) break
      if (check(mutant.file, mutatedFile(readFileSync(join(root, mutant.file), 'utf8'), mutant))) chosen.push(mutant)
    }
    return chosen
  })
}

/** By hand and for one device each: no test of the suite reaches them without hardware. */
const left: readonly RegExp[] = [/\/by-hand/, /opfs/, /\/index\.ts$/, /signatures|tfjs-types/]

const sourcesIn = (root: string, folder: string): readonly string[] =>
  readdirSync(join(root, folder), { recursive: true })
    .map(String)
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `${folder}/${name}`)
    .filter((file) => !left.some((pattern) => pattern.test(file)))
    .sort()

const namedSites = (root: string, file: string): readonly MechanicalMutant[] => {
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

/** Fisher and Yates by a linear congruential generator: the same order on every machine. */
const shuffled = <T>(list: readonly T[], seed: number): readonly T[] => {
  const out = [...list]
  let state = BigInt(seed) + 1n
  for (let i = out.length - 1; i > 0; i--) {
    state = (state * 6364136223846793005n + 1442695040888963407n) % 2n ** 64n
    const j = Number((state >> 33n) % BigInt(i + 1))
    ;[out[i], out[j]] = [out[j] as T, out[i] as T] // both are places of the list
  }
  return out
}

/** Whether a file has no errors of its own with another text. */
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

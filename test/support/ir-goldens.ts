/**
 * Goldens of passes: files that say why on top, then the passes, a graph, a rule, and what the passes make of it.
 * UPDATE_GOLDEN=1 writes what stands below the rule anew, for the author to read; in CI nothing is written, and a golden that would change fails.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { parse } from '../../src/ir/parse.ts'
import { print } from '../../src/ir/print.ts'
import { graphsOf, programOf } from '../../src/passes/program.ts'
import { parsePipeline } from '../../src/passes/registry.ts'
import { runPipeline } from '../../src/passes/runner.ts'

const rule = '// ----\n'

/** The two texts are equal where the golden holds. @throws Error where the file has no reason or no passes, or may not be written */
export const checkGolden = (
  file: string,
  environment: { readonly [name: string]: string | undefined },
): { readonly stored: string; readonly made: string } => {
  const text = readFileSync(file, 'utf8')
  const [input = '', stored = ''] = text.split(rule)
  const passes = /^\/\/ run: (.+)$/m.exec(input)?.[1]
  if (passes === undefined || !/^\/\/ (?!run:)\S/.test(input))
    throw new Error(`${file} must begin with a comment that says why, and a line "// run: passes"`)
  const { program } = runPipeline(parsePipeline(passes), programOf(parse(input)), { verify: true })
  const made = graphsOf(program)
    .map((graph) => print(graph))
    .join('')
  if (made === stored || environment['UPDATE_GOLDEN'] !== '1') return { stored, made }
  if (environment['CI'] !== undefined)
    throw new Error(`${file} would change, and CI changes no golden: run UPDATE_GOLDEN=1 before the commit`)
  writeFileSync(file, `${input}${rule}${made}`)
  return { stored: made, made }
}

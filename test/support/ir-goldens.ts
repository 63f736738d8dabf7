/** Goldens of passes: files that say why on top, then the passes, a graph, a rule, and what the passes make of it (golden-file.ts). */
import { parse } from '../../src/ir/parse.ts'
import { print } from '../../src/ir/print.ts'
import { graphsOf, programOf } from '../../src/passes/program.ts'
import { parsePipeline } from '../../src/passes/registry.ts'
import { runPipeline } from '../../src/passes/runner.ts'
import { checkGoldenFile, type Environment } from './golden-file.ts'

/** The two texts are equal where the golden holds. @throws Error where the file has no reason or no passes, or may not be written */
export const checkGolden = (file: string, environment: Environment) =>
  checkGoldenFile(
    file,
    (input) => {
      const passes = /^\/\/ run: (.+)$/m.exec(input)?.[1]
      if (passes === undefined || !/^\/\/ (?!run:)\S/.test(input))
        throw new Error(`${file} must begin with a comment that says why, and a line "// run: passes"`)
      const { program } = runPipeline(parsePipeline(passes), programOf(parse(input)), { verify: true })
      return graphsOf(program)
        .map((graph) => print(graph))
        .join('')
    },
    environment,
  )

/** Goldens of passes: files with the reason at the top, then the passes, a graph, a rule, and the result of the passes (golden-file.ts). */
import { parse } from '../../src/ir/parse.ts'
import { print } from '../../src/ir/print.ts'
import { graphsOf, programOf } from '../../src/passes/program.ts'
import { parsePipeline } from '../../src/passes/registry.ts'
import { runPipeline } from '../../src/passes/runner.ts'
import { checkGoldenFile, type Environment } from './golden-file.ts'

/** The two texts are equal if the golden holds. @throws Error if the file has no reason or no passes, or may not be written */
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

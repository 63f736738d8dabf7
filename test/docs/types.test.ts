/** tsc under `strict` accepts every @example of a docstring and every TypeScript block of the documents, as an editor does. */
import { join } from 'node:path'
import ts from 'typescript'
import { expect, test } from 'vitest'
import { blocks, namesIn, root } from './blocks.ts'

/** The modules of the names that examples use without an import. */
const modules = [
  'src/index.ts',
  'src/compiler.ts',
  'src/node.ts',
  'src/inspect/index.ts',
  'src/testing/index.ts',
  'src/backends/tfjs/index.ts',
  'src/backends/tensorflow/index.ts',
  'src/backends/wasm/index.ts',
  'src/export/index.ts',
  'src/io/safetensors.ts',
  'src/io/tensor-entry.ts',
  'src/io/torch-checkpoint.ts',
  'src/ir/glob.ts',
  'src/platform/node.ts',
].map((path) => join(root, path))
/** The context of an example: a compiled model, a picture for it, and tfjs. */
const surroundings: { readonly [name: string]: string } = {
  model: "declare const model: import('effuse').Model<Around['inputs'], Around['outputs']>",
  net: "declare const net: import('effuse').Executable<Around['inputs'], Around['outputs']>",
  image: 'declare const image: Uint8Array',
  tf: "import * as tf from '@tensorflow/tfjs-core'",
}
const around = "type Around = ReturnType<typeof import('effuse').efficientNet>"

const compilerOptions: ts.CompilerOptions = {
  strict: true,
  noEmit: true,
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  customConditions: ['effuse-source'],
  allowImportingTsExtensions: true,
  lib: ['lib.es2024.d.ts', 'lib.esnext.disposable.d.ts', 'lib.dom.d.ts', 'lib.dom.asynciterable.d.ts'],
  types: ['node'],
  skipLibCheck: true,
}

const exportsOf = (files: readonly string[]): ReadonlyMap<string, string> => {
  const program = ts.createProgram(files, compilerOptions)
  const checker = program.getTypeChecker()
  const found = new Map<string, string>()
  for (const path of [...files].reverse()) {
    const source = program.getSourceFile(path)
    const symbol = source === undefined ? undefined : checker.getSymbolAtLocation(source)
    for (const { name } of symbol === undefined ? [] : checker.getExportsOfModule(symbol)) found.set(name, path)
  }
  return found
}

test('the examples type-check', () => {
  const known = exportsOf(modules)
  const files = new Map(
    blocks.map(({ name, code }, i) => {
      const { declared, imported, imports, body } = namesIn(code)
      const used = (word: string): boolean =>
        !declared.has(word) && !imported.has(word) && new RegExp(`(?<![\\w'"/]|(?<!\\.\\.)\\.)${word}\\b`).test(body)
      const lines = [...known].filter(([word]) => used(word)).map(([word, path]) => `import { ${word} } from '${path}'`)
      const given = Object.entries(surroundings).flatMap(([word, line]) => (used(word) ? [line] : []))
      const text = [...lines, ...imports, around, ...given, 'export const run = async () => {', body, '}'].join('\n')
      return [join(root, `test/docs/block-${i}-${name.replace(/\W/g, '-')}.ts`), text] as const
    }),
  )
  const host = ts.createCompilerHost(compilerOptions)
  const { getSourceFile, fileExists, readFile } = host
  host.fileExists = (path) => files.has(path) || fileExists(path)
  host.readFile = (path) => files.get(path) ?? readFile(path)
  host.getSourceFile = (path, ...rest) => {
    const text = files.get(path)
    return text === undefined ? getSourceFile(path, ...rest) : ts.createSourceFile(path, text, rest[0])
  }
  const program = ts.createProgram([...files.keys()], compilerOptions, host)
  const faults = [...files.keys()].flatMap((path) => {
    const source = program.getSourceFile(path)
    return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)].map(
      ({ messageText, start }) =>
        `${path.replace(/^.*block-/, '')}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}\n  in: ${source?.text.slice(start, (start ?? 0) + 60)}`,
    )
  })
  expect(faults).toEqual([])
  expect(files.size).toBeGreaterThan(12)
}, 300_000)

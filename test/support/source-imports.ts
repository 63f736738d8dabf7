/** The imports of the sources, as the compiler resolves them, for tests of allowed imports. */
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

export interface Import {
  /** Path from the repository's root, with slashes: `src/ir/print.ts`. */
  readonly file: string
  readonly line: number
  /** As written: `./types.ts`, `#platform`, `immer`. */
  readonly specifier: string
  /** The imported file of the repository, with the browser's version of `#platform`, `#backends` and `#peers`; null for a package. */
  readonly target: string | null
  /** `static` is loaded with the module, `dynamic` is an `import()`, `type` is erased. */
  readonly kind: 'static' | 'dynamic' | 'type'
}

const root = fileURLToPath(new URL('../../', import.meta.url))

/** Every TypeScript file in a folder of the repository, at any depth. */
export const sourceFiles = (folder: string): readonly string[] =>
  readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `${folder}/${name.replaceAll(path.sep, '/')}`)
    .sort()

/** The imports of a file, including re-exports and `import()`. */
export const importsOf = (file: string): readonly Import[] =>
  importsInText(file, readFileSync(path.join(root, file), 'utf8'))

/** The imports in a text, as if it were the contents of `file`. */
export const importsInText = (file: string, text: string): readonly Import[] => {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.ESNext, true)
  const found: Import[] = []
  const add = (node: ts.Node, specifier: ts.Node | undefined, kind: Import['kind']): void => {
    if (specifier === undefined || !ts.isStringLiteralLike(specifier)) return
    const line = source.getLineAndCharacterOfPosition(node.getStart()).line + 1
    found.push({ file, line, specifier: specifier.text, target: targetOf(file, specifier.text), kind })
  }
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) add(node, node.moduleSpecifier, isTypeOnly(node) ? 'type' : 'static')
    else if (ts.isExportDeclaration(node)) add(node, node.moduleSpecifier, node.isTypeOnly ? 'type' : 'static')
    else if (ts.isImportTypeNode(node))
      add(node, ts.isLiteralTypeNode(node.argument) ? node.argument.literal : undefined, 'type')
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
      add(node, node.arguments[0], 'dynamic')
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

/** `import { type A } from` counts as static: verbatimModuleSyntax emits `import {} from`. */
const isTypeOnly = (node: ts.ImportDeclaration): boolean =>
  node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword

const targetOf = (file: string, specifier: string): string | null => {
  if (specifier.startsWith('.')) return path.posix.join(path.posix.dirname(file), specifier)
  if (specifier.startsWith('#')) return `src/${specifier.slice(1)}/browser.ts`
  return null
}

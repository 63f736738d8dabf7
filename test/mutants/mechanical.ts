/** Mutants by operators: signs, bounds, axes, attributes, missing cases. Each changes one place of a source file. */
import ts from 'typescript'

export interface Site {
  readonly operator: 'sign' | 'bound' | 'axis' | 'attribute' | 'missing case'
  readonly start: number
  readonly end: number
  readonly replacement: string
  /** Code that executes exactly if the place is reached. */
  readonly reached: Reached
}

/** A statement or an expression of the file. `always`: no code can be inserted, for example before the name of a property. */
export interface Reached {
  readonly kind: 'expression' | 'statement' | 'always'
  readonly start: number
  readonly end: number
}

/** All places of a file to which an operator applies, in text order. */
export const sitesIn = (file: string, text: string): readonly Site[] => {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true)
  const sites: Site[] = []
  const visit = (node: ts.Node): void => {
    if (isWords(node)) return
    for (const [operator, target, replacement] of changesAt(node, source))
      sites.push({
        operator,
        start: target.getStart(source),
        end: target.getEnd(),
        replacement,
        reached: reachedOf(node, source),
      })
    ts.forEachChild(node, visit)
  }
  visit(source)
  return sites
}

export const apply = (text: string, { start, end, replacement }: Site): string =>
  text.slice(0, start) + replacement + text.slice(end)

const reachedOf = (node: ts.Node, source: ts.SourceFile): Reached => {
  const isStatement = ts.isStatement(node)
  const { parent } = node
  const isName = ts.isPropertyAssignment(parent) && parent.name === node
  const target = ts.isExpressionStatement(parent) ? parent : node
  return {
    kind: isName ? 'always' : isStatement || target === parent ? 'statement' : 'expression',
    start: target.getStart(source),
    end: target.getEnd(),
  }
}

/**
 * The text of a file that writes 1 to `globalThis.effuseReached[number]` when a site is reached. A call would make tests several times slower: many
 * sites are in the innermost loops of the reference interpreter.
 *
 * @param count All numbers, in all files, are below it.
 */
export const recording = (
  text: string,
  sites: readonly (readonly [number: number, site: Site])[],
  count: number,
): string => {
  const marks = sites.flatMap(([number, { reached }]) => {
    if (reached.kind === 'always') return []
    const mark = `effuseReached[${number}] = 1`
    const [open, close] = reached.kind === 'statement' ? [`{${mark};`, '\n}'] : [`(${mark}, `, ')']
    const size = reached.end - reached.start
    return [
      { at: reached.start, text: open, isOpen: true, size },
      { at: reached.end, text: close, isOpen: false, size },
    ]
  })
  // At one position, ends come before starts; the larger code starts first and ends last.
  marks.sort(
    (a, b) => a.at - b.at || Number(a.isOpen) - Number(b.isOpen) || (a.isOpen ? b.size - a.size : a.size - b.size),
  )
  let out = `const effuseReached = (globalThis.effuseReached ??= new Uint8Array(${count}));`
  let from = 0
  for (const { at, text: mark } of marks) {
    out += text.slice(from, at) + mark
    from = at
  }
  return out + text.slice(from)
}

type Change = readonly [operator: Site['operator'], target: ts.Node, replacement: string]

/** Types, imports, messages and other texts: tests should not check them word by word. */
const isWords = (node: ts.Node): boolean =>
  ts.isTypeNode(node) ||
  ts.isImportDeclaration(node) ||
  ts.isExportDeclaration(node) ||
  ts.isInterfaceDeclaration(node) ||
  ts.isTypeAliasDeclaration(node) ||
  ts.isThrowStatement(node) ||
  ts.isTemplateExpression(node) ||
  (ts.isNewExpression(node) && /Error$/.test(node.expression.getText())) ||
  (ts.isCallExpression(node) &&
    /^(textError|syntaxError|fault|invariant|assertNever)$/.test(node.expression.getText())) ||
  (ts.isPropertyAssignment(node) && textProperties.has(node.name.getText()))
const textProperties: ReadonlySet<string> = new Set([
  'summary',
  'constraints',
  'example',
  'cost',
  'message',
  'hint',
  'tolerance',
])

const changesAt = (node: ts.Node, source: ts.SourceFile): readonly Change[] => [
  ...binaryChanges(node),
  ...callChanges(node, source),
  ...literalChanges(node),
  ...missingCases(node, source),
]

const tokens: ReadonlyMap<ts.SyntaxKind, readonly [Site['operator'], string]> = new Map([
  [ts.SyntaxKind.PlusToken, ['sign', '-']],
  [ts.SyntaxKind.MinusToken, ['sign', '+']],
  [ts.SyntaxKind.AsteriskToken, ['sign', '/']],
  [ts.SyntaxKind.SlashToken, ['sign', '*']],
  [ts.SyntaxKind.LessThanToken, ['bound', '<=']],
  [ts.SyntaxKind.LessThanEqualsToken, ['bound', '<']],
  [ts.SyntaxKind.GreaterThanToken, ['bound', '>=']],
  [ts.SyntaxKind.GreaterThanEqualsToken, ['bound', '>']],
  [ts.SyntaxKind.EqualsEqualsEqualsToken, ['bound', '!==']],
  [ts.SyntaxKind.ExclamationEqualsEqualsToken, ['bound', '===']],
  [ts.SyntaxKind.AmpersandAmpersandToken, ['attribute', '||']],
  [ts.SyntaxKind.BarBarToken, ['attribute', '&&']],
])

const binaryChanges = (node: ts.Node): readonly Change[] => {
  if (ts.isPrefixUnaryExpression(node) && node.operator === ts.SyntaxKind.MinusToken)
    return [['sign', node, `(${node.operand.getText()})`]]
  if (ts.isPrefixUnaryExpression(node) && node.operator === ts.SyntaxKind.ExclamationToken)
    return [['bound', node, `(${node.operand.getText()})`]]
  if (!ts.isBinaryExpression(node)) return []
  const found = tokens.get(node.operatorToken.kind)
  return found === undefined ? [] : [[found[0], node.operatorToken, found[1]]]
}

/** Functions that are replaced by their opposites, including those of emitters. */
const opposites: ReadonlyMap<string, readonly [Site['operator'], string]> = new Map([
  ['add', ['sign', 'sub']],
  ['sub', ['sign', 'add']],
  ['mul', ['sign', 'div']],
  ['div', ['sign', 'mul']],
  ['maximum', ['bound', 'minimum']],
  ['minimum', ['bound', 'maximum']],
  ['max', ['bound', 'min']],
  ['min', ['bound', 'max']],
  ['floor', ['bound', 'ceil']],
  ['ceil', ['bound', 'floor']],
  ['every', ['attribute', 'some']],
  ['some', ['attribute', 'every']],
])

const callChanges = (node: ts.Node, source: ts.SourceFile): readonly Change[] => {
  if (!ts.isCallExpression(node) || !ts.isPropertyAccessExpression(node.expression)) return []
  const { name } = node.expression
  const [argument] = node.arguments
  if (name.text === 'neg' && argument !== undefined) return [['sign', node, argument.getText(source)]]
  const found = opposites.get(name.text)
  // On sets and maps `add` has another meaning, and one argument.
  if (found === undefined || (['add', 'sub', 'mul', 'div'].includes(name.text) && node.arguments.length !== 2))
    return []
  return [[found[0], name, found[1]]]
}

const words: ReadonlyMap<string, string> = new Map([
  ['lt', 'le'],
  ['le', 'lt'],
  ['gt', 'ge'],
  ['ge', 'gt'],
  ['eq', 'ne'],
  ['ne', 'eq'],
  ['and', 'or'],
  ['or', 'and'],
  ['same', 'valid'],
  ['float32', 'float16'],
  ['rounding', 'bits'],
])

const literalChanges = (node: ts.Node): readonly Change[] => {
  if (node.kind === ts.SyntaxKind.TrueKeyword) return [['attribute', node, 'false']]
  if (node.kind === ts.SyntaxKind.FalseKeyword) return [['attribute', node, 'true']]
  if (ts.isNumericLiteral(node)) {
    const value = Number(node.text)
    return Number.isInteger(value) && value < 1e6 ? [['axis', node, String(value === 1 ? 0 : value + 1)]] : []
  }
  if (ts.isStringLiteral(node) && !ts.isPropertyAssignment(node.parent)) {
    const other = words.get(node.text)
    return other === undefined ? [] : [['attribute', node, `'${other}'`]]
  }
  return []
}

const missingCases = (node: ts.Node, source: ts.SourceFile): readonly Change[] => {
  if (ts.isIfStatement(node) && node.elseStatement === undefined && leaves(node.thenStatement))
    return [['missing case', node, '']]
  if (ts.isConditionalExpression(node)) return [['missing case', node, `(${node.whenFalse.getText(source)})`]]
  if (
    ts.isCallExpression(node) &&
    ts.isArrayLiteralExpression(node.parent) &&
    node.expression.getText(source) === 'rule'
  )
    return [['missing case', node, '']]
  return []
}

const leaves = (statement: ts.Statement): boolean =>
  ts.isReturnStatement(statement) ||
  ts.isContinueStatement(statement) ||
  (ts.isBlock(statement) && statement.statements.some(leaves))

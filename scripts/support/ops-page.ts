/** Generates docs/ops.md from the op definitions. `npm run docs` writes it; a test compares it. */
import { describedOp, describedOps } from '../../src/ir/ops/described.ts'
import { compositeOps } from '../../src/ir/ops/composite/index.ts'
import { contractionOps } from '../../src/ir/ops/contraction/index.ts'
import { elementwiseOps } from '../../src/ir/ops/elementwise/index.ts'
import { movementOps } from '../../src/ir/ops/movement/index.ts'
import { poolingOps } from '../../src/ir/ops/pooling/index.ts'
import { reductionOps } from '../../src/ir/ops/reduction/index.ts'
import { regionOps } from '../../src/ir/ops/region/index.ts'
import { sourceOps } from '../../src/ir/ops/source/index.ts'
import { trainingOps } from '../../src/ir/ops/training/index.ts'
import type { OpName } from '../../src/ir/signatures.ts'

const groups = {
  sourceOps,
  elementwiseOps,
  movementOps,
  reductionOps,
  contractionOps,
  poolingOps,
  compositeOps,
  trainingOps,
  regionOps,
}

/** The whole page. */
export const opsPage = (): string => {
  const sections = Object.entries(groups).map(
    ([name, ops]) => `## ${heading(name)}\n\n${(Object.keys(ops) as OpName[]).map(section).join('\n')}`,
  )
  return `# Ops\n\nMade from \`src/ir/ops\` by \`npm run docs\`; ${Object.keys(describedOps).length} ops. Constraints are numbered, and errors name the number.\n\n${sections.join('\n')}`
}

const heading = (name: string): string => {
  const words = name.replace(/Ops$/, '')
  return `${words[0]?.toUpperCase()}${words.slice(1)}`
}

const section = (name: OpName): string => {
  const def = describedOp(name)
  const attrs = Object.entries(def.attrs).map(
    ([key, spec]) =>
      `\`${key}\`: ${spec.expects}${spec.default === undefined ? '' : ` (default \`${JSON.stringify(spec.default)}\`)`}`,
  )
  const gradient = typeof def.vjp === 'function' ? 'yes' : def.vjp
  const facts = [
    `${def.level}`,
    `tolerance ${def.tolerance}`,
    `fusion ${def.fusion}`,
    `gradient ${gradient}`,
    `mixed precision ${def.amp.map((c) => c.class).join(', ') || 'fixed'}`,
  ]
  return [
    `### ${name}`,
    def.summary,
    '',
    ...def.constraints.map((c) => `- ${c}`),
    ...(attrs.length === 0 ? [] : ['', `Attributes: ${attrs.join('; ')}.`]),
    '',
    `${facts.join('; ')}.`,
    '',
    '```',
    `${def.example}\n\`\`\``,
    '',
  ].join('\n')
}

/** The text form, and files of other programs. */
import { type Mutant, mutantsOf } from '../mutant.ts'

const text = ['test/ir/text.test.ts', 'test/fuzz/large.test.ts']

export const textMutants: readonly Mutant[] = [
  ...mutantsOf('src/ir/parse.ts', text, [
    ['a variable may be updated twice', 'if (updates.has(node.id))', 'if (updates.size > 99)'],
    ['two outputs may have the same name', 'if (outputs.has(name))', 'if (outputs.size > 99)'],
    [
      'the declared type is not compared',
      "sameType(type, types[i] ?? { dtype: 'bool', shape: [-1] })",
      'types[i] !== undefined',
    ],
  ]),
  ...mutantsOf('src/ir/print.ts', text, [
    ['-0 is printed as 0', "Object.is(x, -0) ? '-0' : String(x)", 'String(x)'],
    [
      'attributes are printed in any order',
      '.sort(([a], [b]) => (a < b ? -1 : 1))\n    .map(([name, value]) =>',
      '.map(([name, value]) =>',
    ],
  ]),
  ...mutantsOf(
    'src/io/safetensors-header.ts',
    ['test/io/safetensors.test.ts'],
    [['a file may hold any number of tensors', 'root.size > tensorCountMax + 1', 'root.size < 0']],
  ),
]

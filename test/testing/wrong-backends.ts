/** Backends with one wrong kernel each, derived from the reference: a wrong rewrite rule, added to the legalization. */
import type { Backend } from '../../src/backends/backend.ts'
import { referenceBackend } from '../../src/backends/reference/index.ts'
import { Edit } from '../../src/ir/edit.ts'
import { liveOrder } from '../../src/ir/graph.ts'
import type { OpEmitter } from '../../src/ir/emitter.ts'
import type { OpName } from '../../src/ir/signatures.ts'
import type { Node } from '../../src/ir/types.ts'
import type { Value } from '../../src/ir/value.ts'
import { definePass } from '../../src/passes/pass.ts'

export type Wrong = (b: OpEmitter, y: Value, node: Node, operands: readonly Value[]) => Value

/** Replaces the result of each node of the op by `wrong` of it. */
export const wrongBackend = (op: OpName, wrong: Wrong): Backend => ({
  ...referenceBackend(),
  name: `wrong-${op}`,
  legalize: [
    definePass({
      name: 'wrong-kernel',
      summary: 'a kernel with a fault',
      phase: 'lower',
      preserves: 'mode',
      run: (graph) => {
        const edit = new Edit(graph, 'wrong-kernel')
        for (const node of liveOrder(graph)) {
          if (node.op !== op) continue
          const b = edit.emitter(node)
          const operands = node.inputs.map((ref) => edit.value(ref, b))
          const ref = { id: node.id, port: 0 }
          edit.replaceUses(ref, wrong(b, edit.value(ref, b), node, operands))
        }
        return edit.commit()
      },
    }),
  ],
})

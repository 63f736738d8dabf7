/** Builds a GraphDef (tensorflow/core/framework/graph.proto) node by node. It knows the graph format of TensorFlow, not the IR. */
import { create } from '@bufbuild/protobuf'
import type { Attrs } from '../../backends/tensorflow/function-builder.ts'
import {
  type FunctionDef,
  type GraphDef,
  GraphDefSchema,
  type NodeDef,
  NodeDefSchema,
} from '../../backends/tensorflow/proto/tensorflow_pb.ts'
import type { TfType } from '../../backends/tensorflow/types.ts'

/** A value of the graph. `ref` is its name as an input of nodes: `node`, or `node:1` for the second result. */
export interface Tensor extends TfType {
  readonly ref: string
}

/** TF_GRAPH_DEF_VERSION of TensorFlow 2.9. This version and all later versions support everything that the graphs use. */
const producer = 1087

export class GraphWriter {
  readonly #nodes: NodeDef[] = []
  readonly #names = new Set<string>()
  readonly #functions: FunctionDef[] = []

  /** Adds a node and returns its name: the given name, restricted to characters that TensorFlow allows, with a number if it is taken. */
  add(
    op: string,
    wanted: string,
    inputs: readonly string[],
    attrs: Attrs = {},
    controls: readonly string[] = [],
  ): string {
    const name = this.#free(wanted)
    this.#nodes.push(
      create(NodeDefSchema, { name, op, input: [...inputs, ...controls.map((node) => `^${node}`)], attr: attrs }),
    )
    return name
  }

  addFunctions(functions: readonly FunctionDef[]): void {
    this.#functions.push(...functions)
  }

  finish(): GraphDef {
    return create(GraphDefSchema, {
      node: this.#nodes,
      versions: { producer, minConsumer: 0 },
      library: { function: this.#functions },
    })
  }

  #free(wanted: string): string {
    const legal = wanted.replace(/[^A-Za-z0-9_./>-]/g, '_').replace(/^(?=[^A-Za-z0-9.])/, 'v')
    let name = legal
    for (let i = 1; this.#names.has(name); i++) name = `${legal}_${i}`
    this.#names.add(name)
    return name
  }
}

/** The results of a node, by number. */
export const resultsOf = (node: string, types: readonly TfType[]): readonly Tensor[] =>
  types.map(({ dtype, shape }, i) => ({ ref: i === 0 ? node : `${node}:${i}`, dtype, shape }))

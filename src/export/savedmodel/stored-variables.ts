/** The variables of a SavedModel: their nodes, and the nodes with which TensorFlow saves and restores them. */
import { create, toBinary } from '@bufbuild/protobuf'
import { attr } from '../../backends/tensorflow/attributes.ts'
import {
  type CollectionDef,
  CollectionDefSchema,
  DataType,
  type SaverDef,
  SaverDef_CheckpointFormatVersion,
  SaverDefSchema,
  VariableDefSchema,
} from '../../backends/tensorflow/proto/tensorflow_pb.ts'
import { invariant } from '../../ir/diagnostics.ts'
import type { TfType } from '../../backends/tensorflow/types.ts'
import { type GraphWriter, resultsOf, type Tensor } from './graph-writer.ts'

export interface StoredVariable {
  /** The key in the variable files. */
  readonly name: string
  readonly type: TfType
  readonly trainable: boolean
}

export class StoredVariables {
  readonly #graph: GraphWriter
  readonly #known = new Map<string, StoredVariable & { readonly handle: string }>()

  constructor(graph: GraphWriter, variables: Iterable<StoredVariable>) {
    this.#graph = graph
    for (const variable of variables) {
      const { name, type } = variable
      const handle = graph.add('VarHandleOp', name, [], {
        dtype: attr.type(type.dtype),
        shape: attr.shape(type.shape),
        container: attr.string(''),
        shared_name: attr.string(name),
      })
      this.#known.set(name, { ...variable, handle })
    }
  }

  read(name: string, as: string): { readonly node: string; readonly value: Tensor } {
    const { handle, type } = this.#find(name)
    const node = this.#graph.add('ReadVariableOp', as, [handle], { dtype: attr.type(type.dtype) })
    const [value] = resultsOf(node, [type]) as readonly [Tensor] // one type, so one result
    return { node, value }
  }

  /** Returns the name of the node. */
  assign(name: string, value: Tensor, as: string, controls: readonly string[]): string {
    const { handle, type } = this.#find(name)
    const attrs = { dtype: attr.type(type.dtype), validate_shape: attr.bool(true) }
    return this.#graph.add('AssignVariableOp', as, [handle, value.ref], attrs, controls)
  }

  /** The nodes that save and restore all variables, in the form that the C++ and Python loaders expect. */
  addSaver(): { readonly saver: SaverDef; readonly collections: { readonly [name: string]: CollectionDef } } {
    const graph = this.#graph
    const names = [...this.#known.keys()]
    const text = (as: string, value: Parameters<typeof attr.strings>[0]): string =>
      graph.add('Const', as, [], { dtype: stringType, value: attr.strings(value) })
    const file = graph.add('PlaceholderWithDefault', 'save/Const', [text('save/filename', 'model')], {
      dtype: stringType,
      shape: attr.shape([]),
    })
    const keys = text('save/names', names)
    const slices = text(
      'save/slices',
      names.map(() => ''),
    )
    const dtypes = attr.types([...this.#known.values()].map(({ type }) => type.dtype))
    const reads = names.map((name) => this.read(name, `save/read/${name}`).value.ref)
    const save = graph.add('SaveV2', 'save/SaveV2', [file, keys, slices, ...reads], { dtypes })
    const saved = graph.add('Identity', 'save/control_dependency', [file], { T: stringType }, [save])
    const restore = graph.add('RestoreV2', 'save/RestoreV2', [file, keys, slices], { dtypes })
    const values = resultsOf(
      restore,
      [...this.#known.values()].map(({ type }) => type),
    )
    const assigns = names.map((name, i) => this.assign(name, values[i] as Tensor, `save/assign/${name}`, []))
    const all = graph.add('NoOp', 'save/restore_all', [], {}, assigns)
    const saver = create(SaverDefSchema, {
      filenameTensorName: `${file}:0`,
      saveTensorName: `${saved}:0`,
      restoreOpName: all,
      maxToKeep: 5,
      version: SaverDef_CheckpointFormatVersion.V2,
    })
    return { saver, collections: this.#collections(assigns) }
  }

  /** The collections from which Python makes its tf.Variables. The initializer of a variable is the op that restores it. */
  #collections(initializers: readonly string[]): { readonly [name: string]: CollectionDef } {
    const definitions = [...this.#known.values()].map(({ name, handle, trainable }, i) => ({
      trainable,
      bytes: toBinary(
        VariableDefSchema,
        create(VariableDefSchema, {
          variableName: `${handle}:0`,
          initializerName: initializers[i] ?? '',
          snapshotName: `${this.read(name, `${name}/Read/ReadVariableOp`).node}:0`,
          isResource: true,
          trainable,
        }),
      ),
    }))
    const collection = (of: typeof definitions): CollectionDef =>
      create(CollectionDefSchema, { kind: { case: 'bytesList', value: { value: of.map(({ bytes }) => bytes) } } })
    return {
      variables: collection(definitions),
      trainable_variables: collection(definitions.filter(({ trainable }) => trainable)),
    }
  }

  #find(name: string): StoredVariable & { readonly handle: string } {
    const found = this.#known.get(name)
    invariant(found !== undefined, () => `the SavedModel has no variable "${name}"`)
    return found
  }
}

const stringType = attr.dataType(DataType.DT_STRING)

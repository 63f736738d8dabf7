/** Checks the results of a user's store where they arrive. The code that uses them is far away, so a late error would be unclear. */
import { EffuseError, showGiven } from '../ir/diagnostics.ts'
import type { CheckpointStore } from './checkpoint-store.ts'

/** For messages. */
export const storeWords = "directory('runs/mine') of effuse/node, opfs('mine') in a page or memoryStore()"

/** The store, with the type of each result checked. @throws EffuseError EF403 at a result of a wrong type */
export const checkedStore = (store: CheckpointStore): CheckpointStore => ({
  label: typeof store.label === 'string' ? store.label : 'the store of checkpoints',
  list: async () => {
    const names: unknown = await store.list()
    if (!Array.isArray(names) || names.some((name) => typeof name !== 'string'))
      throw wrong('list()', 'a list of names', names)
    return names
  },
  read: async (name) => {
    const bytes: unknown = await store.read(name)
    if (!(bytes instanceof Uint8Array)) throw wrong(`read("${name}")`, 'a Uint8Array', bytes)
    return bytes
  },
  write: (name, bytes) => store.write(name, bytes),
  remove: (name) => store.remove(name),
  lock: store.lock,
  rescue: store.rescue,
})

const wrong = (call: string, expects: string, came: unknown): EffuseError =>
  new EffuseError({
    code: 'EF403',
    message: `${call} of the option "checkpoints" must return ${expects}, got ${showGiven(came)}`,
    hint: `compare with ${storeWords}`,
  })

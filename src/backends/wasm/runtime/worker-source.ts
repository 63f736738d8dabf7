/**
 * The program of the worker threads as a string: bundlers break the URLs of a library's workers, while a string can be started anywhere. It is plain
 * JavaScript without imports. It also runs as a separate file (option `workerUrl`). messages.ts defines its messages.
 *
 * Thread 0 is the leader: it receives runs as messages and reports when they end. The other threads are helpers: between runs they wait on shared
 * memory until the leader notifies them. All threads execute the same dispatches and divide their units. Without shared memory, the leader is the
 * only thread, and it has its own memory.
 */
import { mathFunctions } from '../math.ts'
import { maximumPages, initialPages } from './linear-memory.ts'
import { word } from './control.ts'

const math = mathFunctions.map((name) => `${name}: Math.${name}`).join(', ')
const pagesToTry = maximumPages.join()

/** The build minifies it (scripts/support/minified-worker.ts), so it has `${name}` and `${name.field}` only in place of expressions. */
export const workerSource = `'use strict'
;(() => {
  const isNode = typeof require === 'function' && typeof process === 'object'
  const port = isNode ? require('worker_threads').parentPort : self
  const listen = (handle) => {
    if (isNode) port.on('message', handle)
    else port.onmessage = ({ data }) => handle(data)
  }
  let thread = 0, threads = 1, control = null, memory = null, spins = 0
  const lists = new Map()
  const textOf = (error) => String((error && error.message) || error)

  // ---- kernels

  const math = { ${math} }
  const load = ({ list, modules, dispatches }) => {
    const instances = modules.map((module) => new WebAssembly.Instance(module, { env: { memory }, math }))
    lists.set(
      list,
      dispatches.map(({ module, name, slots, units, context, isOptional }) => ({
        call: instances[module].exports[name],
        slots,
        units,
        context,
        isOptional,
        args: new Array(slots.length + 4).fill(0),
      })),
    )
  }

  // ---- memory

  let bytes = null
  const view = (end) => {
    if (bytes === null || bytes.buffer !== memory.buffer) bytes = new Uint8Array(memory.buffer)
    if (bytes.length < end) {
      memory.grow(0) // another thread has grown the memory; grow(0) refreshes the buffer
      bytes = new Uint8Array(memory.buffer)
    }
    return bytes
  }
  /** Data for addresses past the end of the memory, which the system refused to grow. It is kept until the memory grows. */
  const waiting = new Map()
  const makeMemory = () => {
    for (const maximum of [${pagesToTry}]) {
      try {
        memory = new WebAssembly.Memory({ initial: ${initialPages}, maximum })
        return maximum * 65536
      } catch {}
    }
    throw new Error('the system refuses a WebAssembly memory')
  }
  const growTo = (size) => {
    const missing = Math.ceil((size - memory.buffer.byteLength) / 65536)
    if (missing > 0) {
      try {
        memory.grow(missing)
      } catch {
        return
      }
    }
    for (const [address, data] of waiting) {
      if (address + data.length > memory.buffer.byteLength) continue
      waiting.delete(address)
      view(0).set(data, address)
    }
  }
  const write = (address, data) => {
    waiting.delete(address)
    if (address + data.length > memory.buffer.byteLength) waiting.set(address, data)
    else view(0).set(data, address)
  }
  const read = (address, length) => {
    const kept = waiting.get(address)
    return kept === undefined ? view(0).slice(address, address + length) : kept.slice(0, length)
  }

  // ---- runs

  const noteFault = (error) => {
    if (Atomics.compareExchange(control, ${word.fault}, 0, thread + 1) !== 0) return
    const text = textOf(error).slice(0, ${word.textMax})
    for (let i = 0; i < text.length; i++) control[${word.text} + i] = text.charCodeAt(i)
    Atomics.store(control, ${word.textLength}, text.length)
  }
  /** Polls, then sleeps, until words[at] is 'wanted'. The thread that sets it notifies if there are sleepers. */
  const awaitWord = (words, at, wanted) => {
    for (let i = 0; i < spins; i++) if (Atomics.load(words, at) === wanted) return
    Atomics.add(control, ${word.sleepers}, 1)
    for (let seen = Atomics.load(words, at); seen !== wanted; seen = Atomics.load(words, at)) Atomics.wait(words, at, seen)
    Atomics.sub(control, ${word.sleepers}, 1)
  }
  const wake = (words, at) => {
    if (Atomics.load(control, ${word.sleepers}) > 0) Atomics.notify(words, at)
  }
  const fill = (args, slots, table, scratch, context) => {
    let i = 0
    for (; i < slots.length; i++) args[i] = table[slots[i]]
    args[i++] = scratch
    args[i++] = context
    return i
  }
  const isSkipped = ({ isOptional, slots }, table) => isOptional && table[slots[slots.length - 1]] === 0
  /** Executes all dispatches on this thread. */
  const replayAlone = (dispatches, table, scratch, contexts, times) => {
    for (let at = 0; at < dispatches.length; at++) {
      const dispatch = dispatches[at]
      if (isSkipped(dispatch, table)) continue
      const { call, slots, units, context, args } = dispatch
      const start = times === null ? 0 : performance.now()
      const i = fill(args, slots, table, scratch, contexts + context)
      args[i] = 0
      args[i + 1] = units
      call.apply(null, args)
      if (times !== null) times[at] = performance.now() - start
    }
  }
  /**
   * Executes the dispatches from 'from' on, together with the other threads. Each thread computes its own share of the units in pieces, and then
   * pieces that other threads have not started. A thread waits until all units are done; it does not wait for sleeping threads. Words of a dispatch:
   * the number of units that are done, then for each thread how many units of its share have been taken.
   */
  const replay = (dispatches, from, words, table, scratch, contexts, times) => {
    const width = threads + 1
    for (let at = from; at < dispatches.length; at++) {
      if (thread === 0) Atomics.store(control, ${word.current}, at)
      const dispatch = dispatches[at]
      if (isSkipped(dispatch, table)) continue
      const { call, slots, units, context, args } = dispatch
      const start = times === null ? 0 : performance.now()
      const i = fill(args, slots, table, scratch, contexts + context)
      const piece = Math.ceil(units / (threads * 4))
      let done = 0
      for (let other = 0; other < threads; other++) {
        const owner = (thread + other) % threads
        const first = Math.ceil((units * owner) / threads)
        const end = Math.ceil((units * (owner + 1)) / threads)
        while (first < end) {
          const begin = first + Atomics.add(words, at * width + 1 + owner, piece)
          if (begin >= end) break
          args[i] = begin
          args[i + 1] = Math.min(begin + piece, end)
          done += args[i + 1] - begin
          // After a failure, units are only counted, not computed.
          if (Atomics.load(control, ${word.fault}) !== 0) continue
          try {
            call.apply(null, args)
          } catch (error) {
            noteFault(error)
          }
        }
      }
      if (done > 0 && Atomics.add(words, at * width, done) + done === units) wake(words, at * width)
      else awaitWord(words, at * width, units)
      if (times !== null) times[at] = performance.now() - start
    }
  }
  /** Executes a run as leader: opens it to helpers, and waits until all helpers that joined have left. Then the words can be reused. */
  const lead = (dispatches, { list, table, tableAddress, contextAddress, scratch, scratchBytes, words, end }, times) => {
    const { buffer } = view(end)
    new Int32Array(buffer, tableAddress, table.length).set(table)
    const ownWords = new Int32Array(buffer, words, dispatches.length * (threads + 1)).fill(0)
    control[${word.list}] = list
    control[${word.table}] = tableAddress
    control[${word.tableLength}] = table.length
    control[${word.contexts}] = contextAddress
    control[${word.scratch}] = scratch
    control[${word.scratchBytes}] = scratchBytes
    control[${word.words}] = words
    Atomics.store(control, ${word.fault}, 0)
    Atomics.store(control, ${word.current}, 0)
    Atomics.store(control, ${word.open}, Atomics.add(control, ${word.epoch}, 1) + 1)
    Atomics.add(control, ${word.bell}, 1)
    Atomics.notify(control, ${word.bell})
    replay(dispatches, 0, ownWords, table, scratch, contextAddress, times)
    Atomics.store(control, ${word.open}, 0)
    awaitWord(control, ${word.active}, 0)
    if (Atomics.load(control, ${word.fault}) === 0) return
    const length = Atomics.load(control, ${word.textLength})
    throw new Error(String.fromCharCode(...control.slice(${word.text}, ${word.text} + length)))
  }
  const run = (order) => {
    const { id, list, table, context, contextAddress, scratch, end, isProfiled } = order
    try {
      const dispatches = lists.get(list)
      const times = isProfiled ? new Float64Array(dispatches.length) : null
      if (waiting.size > 0 || view(end).length < end) throw new Error('the system refuses more memory')
      if (context.length > 0) view(end).set(context, contextAddress)
      if (threads === 1 || dispatches.every(({ units }) => units === 1))
        replayAlone(dispatches, table, scratch, contextAddress, times)
      else lead(dispatches, order, times)
      port.postMessage({ kind: 'ran', id, times })
    } catch (error) {
      port.postMessage({ kind: 'failed', id, message: textOf(error) })
    }
  }

  // ---- helpers

  let seen = 0, mail = 0
  const help = (epoch) => {
    Atomics.add(control, ${word.active}, 1)
    if (Atomics.load(control, ${word.open}) === epoch) {
      const dispatches = lists.get(control[${word.list}])
      const address = control[${word.table}] >>> 0
      const length = control[${word.tableLength}]
      const at = control[${word.words}] >>> 0
      const count = dispatches.length * (threads + 1)
      const { buffer } = view(Math.max(address + 4 * length, at + 4 * count))
      const table = new Int32Array(buffer, address, length)
      const scratch = (control[${word.scratch}] + thread * control[${word.scratchBytes}]) | 0
      const from = Atomics.load(control, ${word.current})
      replay(dispatches, from, new Int32Array(buffer, at, count), table, scratch, control[${word.contexts}], null)
    }
    if (Atomics.sub(control, ${word.active}, 1) === 1) wake(control, ${word.active})
  }
  /** Joins runs until there is a message for this thread. */
  const serve = () => {
    for (;;) {
      const bell = Atomics.load(control, ${word.bell})
      const epoch = Atomics.load(control, ${word.epoch})
      if (Atomics.load(control, ${word.mail} + thread) !== mail) return
      if (epoch !== seen) {
        seen = epoch
        help(epoch)
        continue
      }
      for (let i = 0; i < spins; i++) if (Atomics.load(control, ${word.bell}) !== bell) break
      Atomics.wait(control, ${word.bell}, bell)
    }
  }

  // ---- messages

  const begin = (order) => {
    thread = order.thread
    threads = order.threads
    control = order.control
    memory = order.memory
    spins = order.spins
    if (thread > 0) return
    const bytesMax = memory === null ? makeMemory() : 0
    port.postMessage({ kind: 'ready', bytesMax, byteLength: memory.buffer.byteLength })
  }
  const handle = (order) => {
    switch (order.kind) {
      case 'begin':
        return begin(order)
      case 'load':
        return load(order)
      case 'unload':
        return void lists.delete(order.list)
      case 'run':
        return run(order)
      case 'write':
        return write(order.address, order.data)
      case 'read': {
        const data = read(order.address, order.bytes)
        return port.postMessage({ kind: 'data', id: order.id, data }, [data.buffer])
      }
      case 'grow':
        return growTo(order.bytes)
    }
  }
  listen((order) => {
    try {
      handle(order)
    } catch (error) {
      port.postMessage({ kind: 'broken', message: textOf(error) })
    }
    if (thread === 0) return
    mail++
    if (Atomics.load(control, ${word.mail} + thread) === mail) serve()
  })
})()
`

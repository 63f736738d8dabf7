/**
 * The program of the worker threads, as text: bundlers break the URLs of a library's workers, and a text starts anywhere. Plain JavaScript without
 * imports; it also runs as a file of its own (option `workerUrl`). What it receives and posts is in messages.ts.
 *
 * Thread 0 leads: it gets runs as messages and posts their ends. The others help: between runs they wait on shared memory, where the leader rings.
 * All threads call the same dispatches, each its share of the units, and meet at a barrier after each dispatch. Without shared memory the leader is
 * alone, and the memory is its own.
 */
import { mathFunctions } from '../math.ts'
import { maximumPages, initialPages } from './linear-memory.ts'
import { word } from './control.ts'

export const workerSource = `'use strict'
;(() => {
  const isNode = typeof require === 'function' && typeof process === 'object'
  const port = isNode ? require('node:worker_threads').parentPort : self
  const listen = (handle) => {
    if (isNode) port.on('message', handle)
    else port.onmessage = ({ data }) => handle(data)
  }
  let thread = 0, threads = 1, control = null, memory = null, spins = 0
  const lists = new Map()
  const textOf = (error) => String((error && error.message) || error)

  // ---- kernels

  const math = { ${mathFunctions.map((name) => `${name}: Math.${name}`).join(', ')} }
  const load = ({ list, module, dispatches }) => {
    const { exports } = new WebAssembly.Instance(module, { env: { memory }, math })
    lists.set(
      list,
      dispatches.map(({ name, slots, units, context, isOptional }) => ({
        call: exports[name],
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
      memory.grow(0) // another thread has grown the memory: take note
      bytes = new Uint8Array(memory.buffer)
    }
    return bytes
  }
  /** Written to addresses that the memory does not have, because the system gave no more: kept until it does. */
  const waiting = new Map()
  const makeMemory = () => {
    for (const maximum of [${maximumPages.join()}]) {
      try {
        memory = new WebAssembly.Memory({ initial: ${initialPages}, maximum })
        return maximum * 65536
      } catch {}
    }
    throw new Error('the system refuses a memory of WebAssembly')
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
  const barrier = () => {
    const generation = Atomics.load(control, ${word.generation})
    if (Atomics.add(control, ${word.arrived}, 1) === threads - 1) {
      Atomics.store(control, ${word.arrived}, 0)
      Atomics.add(control, ${word.generation}, 1)
      if (Atomics.load(control, ${word.sleepers}) > 0) Atomics.notify(control, ${word.generation})
      return
    }
    for (let i = 0; i < spins; i++) if (Atomics.load(control, ${word.generation}) !== generation) return
    Atomics.add(control, ${word.sleepers}, 1)
    while (Atomics.load(control, ${word.generation}) === generation) Atomics.wait(control, ${word.generation}, generation)
    Atomics.sub(control, ${word.sleepers}, 1)
  }
  /** This thread's share of all dispatches. A thread that fails goes on to meet the others, without computing. */
  const replay = (dispatches, table, scratch, contexts, times) => {
    const last = dispatches.length - 1
    for (let at = 0; at <= last; at++) {
      const { call, slots, units, context: own, isOptional, args } = dispatches[at]
      const isLeftOut = isOptional && table[slots[slots.length - 1]] === 0
      const first = Math.floor((units * thread) / threads)
      const end = units === 1 ? (thread === 0 ? 1 : 0) : Math.floor((units * (thread + 1)) / threads)
      const from = units === 1 ? 0 : first
      const start = times === null ? 0 : performance.now()
      if (end > from && !isLeftOut && (threads === 1 || Atomics.load(control, ${word.fault}) === 0)) {
        let i = 0
        for (; i < slots.length; i++) args[i] = table[slots[i]]
        args[i++] = scratch
        args[i++] = contexts + own
        args[i++] = from
        args[i] = end
        try {
          call.apply(null, args)
        } catch (error) {
          if (threads === 1) throw error
          noteFault(error)
        }
      }
      // Between dispatches that only the leader computes there is nobody to wait for.
      if (threads > 1 && (units > 1 || at === last || dispatches[at + 1].units > 1)) barrier()
      if (times !== null) times[at] = performance.now() - start
    }
  }
  const run = ({ id, list, table, tableAddress, context, contextAddress, scratch, scratchBytes, end, isProfiled }) => {
    const times = isProfiled ? new Float64Array(lists.get(list).length) : null
    try {
      if (waiting.size > 0 || view(end).length < end) throw new Error('full')
      if (context.length > 0) view(end).set(context, contextAddress)
      const dispatches = lists.get(list)
      if (threads === 1 || dispatches.every(({ units }) => units === 1)) {
        const [all, own] = [threads, thread]
        threads = 1
        try {
          replay(dispatches, table, scratch, contextAddress, times)
        } finally {
          threads = all
          thread = own
        }
      } else {
        new Int32Array(view(end).buffer, tableAddress, table.length).set(table)
        control[${word.list}] = list
        control[${word.table}] = tableAddress
        control[${word.tableLength}] = table.length
        control[${word.context}] = contextAddress
        control[${word.scratch}] = scratch
        control[${word.scratchBytes}] = scratchBytes
        Atomics.store(control, ${word.fault}, 0)
        Atomics.add(control, ${word.epoch}, 1)
        Atomics.add(control, ${word.bell}, 1)
        Atomics.notify(control, ${word.bell})
        replay(dispatches, table, scratch, contextAddress, times)
        if (Atomics.load(control, ${word.fault}) !== 0) {
          const length = Atomics.load(control, ${word.textLength})
          throw new Error(String.fromCharCode(...control.slice(${word.text}, ${word.text} + length)))
        }
      }
      port.postMessage({ kind: 'ran', id, times })
    } catch (error) {
      port.postMessage({ kind: 'failed', id, message: textOf(error) })
    }
  }

  // ---- helpers

  let seen = 0, mail = 0
  /** Helps with runs until there is a message for this thread. */
  const serve = () => {
    for (;;) {
      const bell = Atomics.load(control, ${word.bell})
      const epoch = Atomics.load(control, ${word.epoch})
      if (Atomics.load(control, ${word.mail} + thread) !== mail) return
      if (epoch === seen) {
        for (let i = 0; i < spins; i++) if (Atomics.load(control, ${word.bell}) !== bell) break
        Atomics.wait(control, ${word.bell}, bell)
        continue
      }
      seen = epoch
      const address = control[${word.table}] >>> 0
      const length = control[${word.tableLength}]
      const table = new Int32Array(view(address + 4 * length).buffer, address, length)
      const scratch = (control[${word.scratch}] + thread * control[${word.scratchBytes}]) | 0
      replay(lists.get(control[${word.list}]), table, scratch, control[${word.context}], null)
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

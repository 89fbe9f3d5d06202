// ws: a WebSocket for each worker.

import { once } from 'node:events'
import WebSocket from 'ws'
import { doesNotApply, messageOf, parse, run, versionOf } from './contract.mjs'

// RFC 6455, section 7.4.1, and its registry: Going Away, Service Restart.
const DRAIN_CODES = [1001, 1012]

const args = parse('ws')
if (args.expect) doesNotApply('a WebSocket has no Expect')
const sockets = []
let connections = 0

async function open (signal) {
  const socket = new WebSocket(`ws://${args.address}${args.path}`)
  // An error is followed by a close without a Close frame, which is handled below.
  socket.on('error', () => {})
  signal.addEventListener('abort', () => socket.terminate(), { once: true })
  const ended = new Promise((resolve) => socket.once('close', resolve))
  await once(socket, 'open', { signal })
  connections++
  return { socket, ended }
}

/** The worker's socket, or a new one if the server has drained it. */
async function currentSocket (worker, signal) {
  const last = sockets[worker]
  if (last && last.socket.readyState === WebSocket.OPEN) return last
  sockets[worker] = undefined
  if (last) {
    const code = await last.ended
    if (!DRAIN_CODES.includes(code)) throw new Error(`closed with ${code} between two messages`)
  }
  sockets[worker] = await open(signal)
  return sockets[worker]
}

async function send (number, signal, worker) {
  const { socket, ended } = await currentSocket(worker, signal)
  const failed = ended.then((code) => {
    throw new Error(`closed with ${code} before the response`)
  })
  const responded = once(socket, 'message', { signal })
  socket.send(messageOf(args, number).toString())
  try {
    const [body] = await Promise.race([responded, failed])
    return { body }
  } catch (error) {
    sockets[worker] = undefined
    socket.terminate()
    throw error
  }
}

await run(args, send, {
  version: `ws ${versionOf('ws')}, Node ${process.versions.node}`,
  connections: () => connections
})

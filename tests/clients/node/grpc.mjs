// @grpc/grpc-js: one Client, raw bytes as messages.

import grpc from '@grpc/grpc-js'
import { bodyOf, doesNotApply, MESSAGES, parse, run, versionOf, readAll } from './contract.mjs'

const args = parse('grpc')
if (args.expect) doesNotApply('gRPC has no Expect')
const client = new grpc.Client(args.address, grpc.credentials.createInsecure())
const raw = (bytes) => bytes

const SENDERS = { UNARY: unary, SERVER: serverStream, CLIENT: clientStream, BIDI: bidi }

async function unary (body, metadata, signal) {
  return await new Promise((resolve, reject) => {
    const responded = (error, response) => error ? reject(error) : resolve(response)
    const call = client.makeUnaryRequest(args.path, raw, raw, body, metadata, responded)
    cancelled(call, signal)
  })
}

async function serverStream (_body, metadata, signal) {
  const call = client.makeServerStreamRequest(args.path, raw, raw, Buffer.alloc(0), metadata)
  cancelled(call, signal)
  return await readAll(call)
}

async function clientStream (body, metadata, signal) {
  const call = client.makeBidiStreamRequest(args.path, raw, raw, metadata)
  cancelled(call, signal)
  for (let sent = 0; sent < MESSAGES; sent++) call.write(body)
  call.end()
  return await readAll(call)
}

async function bidi (body, metadata, signal) {
  const call = client.makeBidiStreamRequest(args.path, raw, raw, metadata)
  cancelled(call, signal)
  const messages = call[Symbol.asyncIterator]()
  const echoes = []
  for (let sent = 0; sent < MESSAGES; sent++) {
    call.write(body)
    const { value, done } = await messages.next()
    if (done) throw new Error('the stream ended before its last echo')
    echoes.push(value)
  }
  call.end()
  const { done } = await messages.next()
  if (!done) throw new Error('an echo of nothing')
  return Buffer.concat(echoes)
}

function cancelled (call, signal) {
  signal.addEventListener('abort', () => call.cancel(), { once: true })
}

async function send (number, signal) {
  const metadata = new grpc.Metadata()
  metadata.set('x-id', String(number))
  return { body: await SENDERS[args.method](bodyOf(args, number), metadata, signal) }
}

await run(args, send, {
  version: `@grpc/grpc-js ${versionOf('@grpc/grpc-js')}, Node ${process.versions.node}`,
  // A channel reports its state, not its connections.
  connections: () => null
})

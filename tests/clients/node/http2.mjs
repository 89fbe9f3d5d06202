// Node's own http2: one session for all requests, replaced when it ends or receives a GOAWAY.

import http2 from 'node:http2'
import { once } from 'node:events'
import { headersOf, parse, run, TUNED, upload, readAll } from './contract.mjs'

const args = parse('h2')
const options = TUNED ? { settings: { enablePush: false, initialWindowSize: 1 << 20, maxHeaderListSize: 32 << 10 } } : {}
let connections = 0
let session

function currentSession () {
  if (session === undefined || session.closed || session.destroyed) session = newSession()
  return session
}

function newSession () {
  const opened = http2.connect(`http://${args.address}`, options)
  const drop = () => {
    if (session === opened) session = undefined
  }
  opened.once('connect', () => connections++)
  opened.once('goaway', drop)
  opened.once('close', drop)
  // If a session fails, its streams and their requests fail, too.
  opened.on('error', drop)
  return opened
}

async function send (number, signal) {
  const headers = { ':method': args.method, ':path': args.path, ...headersOf(args, number) }
  if (args.expect) headers.expect = '100-continue'
  const stream = currentSession().request(headers, { endStream: args.body === 0, signal })
  let trailers = {}
  stream.once('trailers', (received) => {
    trailers = received
  })
  const [[response]] = await Promise.all([once(stream, 'response'), body(stream, number)])
  return { status: response[':status'], body: await readAll(stream), trailers }
}

async function body (stream, number) {
  if (args.body === 0) return
  if (args.expect) await once(stream, 'continue')
  await upload(stream, args, number)
}

await run(args, send, {
  version: `Node ${process.versions.node} http2`,
  connections: () => connections
})

// Node's own http2: one session for all requests, and another as soon as it is known to end.

import http2 from 'node:http2'
import { once } from 'node:events'
import { bodyOf, headersOf, parse, PIECE, run, whole } from './contract.mjs'

const args = parse('h2')
let connections = 0
let session

function currentSession () {
  if (session === undefined || session.closed || session.destroyed) session = newSession()
  return session
}

function newSession () {
  const opened = http2.connect(`http://${args.address}`)
  const drop = () => {
    if (session === opened) session = undefined
  }
  opened.once('connect', () => connections++)
  opened.once('goaway', drop)
  opened.once('close', drop)
  // The streams of a session that fails are told, too, and their requests are judged by that.
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
  const [[response]] = await Promise.all([once(stream, 'response'), upload(stream, bodyOf(args, number))])
  return { status: response[':status'], body: await whole(stream), trailers }
}

/** Writes as fast as the bytes leave. */
async function upload (stream, body) {
  if (body.length === 0) return
  if (args.expect) await once(stream, 'continue')
  let start = 0
  for (; body.length - start > PIECE; start += PIECE) {
    if (!stream.write(body.subarray(start, start + PIECE))) await once(stream, 'drain')
  }
  stream.end(body.subarray(start))
}

await run(args, send, {
  version: `Node ${process.versions.node} http2`,
  connections: () => connections
})

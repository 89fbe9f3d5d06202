// The shared code of the undici programs: one Pool and its method `request`.
//
// Not an Agent: that of undici 7 closes its pool with the last connection and then opens a connection for each request,
// so that almost none would be drained.

import { Readable } from 'node:stream'
import { startFront } from './front.mjs'
import { bodyOf, doesNotApply, headersOf, parse, CHUNK_SIZE, chunksOf, run, TUNED, readAll } from './contract.mjs'

/**
 * Runs a release of undici. `h2c` are its options for HTTP/2 with prior knowledge, undefined in releases that support
 * HTTP/2 only over TLS.
 */
export async function main (undici, { release, h2c, showsH2Trailers }) {
  const args = parse('h1', 'h2')
  if (args.expect && args.protocol === 'h1') {
    doesNotApply('undici waits for 100 (Continue) over HTTP/2 only')
  }
  const windows = TUNED ? { initialWindowSize: 1 << 20, connectionWindowSize: 4 << 20 } : {}
  const pool = args.protocol === 'h2' && h2c === undefined
    ? await overTls()
    : new undici.Pool(`http://${args.address}`, args.protocol === 'h2' ? { ...h2c, ...windows } : {})
  let connections = 0
  pool.on('connect', () => connections++)

  async function overTls () {
    const { origin, certificate } = await startFront(args.address)
    return new undici.Pool(origin, { allowH2: true, connect: { ca: certificate } })
  }

  async function send (number, signal) {
    const response = await pool.request({
      path: args.path,
      method: args.method,
      headers: headersOf(args, number),
      body: payload(bodyOf(args, number), args.stream),
      expectContinue: args.expect,
      signal
    })
    const body = await readAll(response.body)
    const trailers = args.protocol === 'h1' || showsH2Trailers ? response.trailers : undefined
    return { status: response.statusCode, body, trailers }
  }

  await run(args, send, {
    version: `undici ${release}, Node ${process.versions.node}`,
    connections: () => connections
  })
}

function payload (body, stream) {
  if (body.length === 0) return null
  return stream || body.length > CHUNK_SIZE ? Readable.from(chunksOf(body)) : body
}

// What the programs of undici's releases share: one Pool, asked by `request`.
//
// Not an Agent: that of undici 7 closes its pool with the pool's last connection, and from the first close on
// opens a connection for each request, so that hardly a connection would be left to drain.

import { Readable } from 'node:stream'
import { frontBefore } from './front.mjs'
import { bodyOf, doesNotApply, headersOf, parse, PIECE, pieces, run, TUNED, whole } from './contract.mjs'

/**
 * Runs that release of undici; `h2c` are its options for HTTP/2 with prior knowledge, and missing in releases that
 * speak HTTP/2 only over TLS.
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
    const { origin, certificate } = await frontBefore(args.address)
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
    const body = await whole(response.body)
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
  return stream || body.length > PIECE ? Readable.from(pieces(body)) : body
}

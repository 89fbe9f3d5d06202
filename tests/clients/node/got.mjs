// got over HTTP/2, which it has from http2-wrapper; with its default retries.

import got from 'got'
import { Readable } from 'node:stream'
import { startFront } from './front.mjs'
import { bodyOf, doesNotApply, headersOf, parse, chunksOf, run, versionOf } from './contract.mjs'

const args = parse('h2')
if (args.expect) doesNotApply('got does not wait for a 100 (Continue)')
const { origin, certificate } = await startFront(args.address)
const client = got.extend({ http2: true, https: { certificateAuthority: certificate } })

async function send (number, signal) {
  const body = bodyOf(args, number)
  const response = await client(`${origin}${args.path}`, {
    method: args.method,
    headers: headersOf(args, number),
    ...(body.length > 0 && { body: args.stream ? Readable.from(chunksOf(body)) : body }),
    responseType: 'buffer',
    signal
  })
  return { status: response.statusCode, body: Buffer.from(response.body), trailers: response.trailers }
}

await run(args, send, {
  version: `got ${versionOf('got')}, Node ${process.versions.node}`,
  connections: () => null
})

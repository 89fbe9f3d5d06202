// got over HTTP/2, which it has from http2-wrapper; its retries are as it comes with them.

import got from 'got'
import { Readable } from 'node:stream'
import { frontBefore } from './front.mjs'
import { bodyOf, doesNotApply, headersOf, parse, pieces, run, versionOf } from './contract.mjs'

const args = parse('h2')
if (args.expect) doesNotApply('got does not wait for a 100 (Continue)')
const { origin, certificate } = await frontBefore(args.address)
const client = got.extend({ http2: true, https: { certificateAuthority: certificate } })

async function send (number, signal) {
  const body = bodyOf(args, number)
  const answer = await client(`${origin}${args.path}`, {
    method: args.method,
    headers: headersOf(args, number),
    ...(body.length > 0 && { body: args.stream ? Readable.from(pieces(body)) : body }),
    responseType: 'buffer',
    signal
  })
  return { status: answer.statusCode, body: Buffer.from(answer.body), trailers: answer.trailers }
}

await run(args, send, {
  version: `got ${versionOf('got')}, Node ${process.versions.node}`,
  connections: () => null
})

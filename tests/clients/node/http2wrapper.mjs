// http2-wrapper: node:http2 with the interface of node:https and different settings.

import http2 from 'http2-wrapper'
import { once } from 'node:events'
import { startFront } from './front.mjs'
import { doesNotApply, headersOf, parse, run, upload, versionOf, readAll } from './contract.mjs'

const args = parse('h2')
if (args.expect) doesNotApply('http2-wrapper does not wait for a 100 (Continue)')
const { origin, certificate } = await startFront(args.address)
const agent = new http2.Agent()

async function send (number, signal) {
  const request = http2.request(`${origin}${args.path}`, {
    agent,
    ca: certificate,
    method: args.method,
    headers: headersOf(args, number)
  })
  signal.addEventListener('abort', () => request.destroy(signal.reason), { once: true })
  const responded = once(request, 'response')
  const [[response]] = await Promise.all([responded, upload(request, args, number)])
  return { status: response.statusCode, body: await readAll(response), trailers: response.trailers }
}

await run(args, send, {
  version: `http2-wrapper ${versionOf('http2-wrapper')}, Node ${process.versions.node}`,
  connections: () => null
})

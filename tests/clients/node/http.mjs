// Node's own http: one keep-alive Agent.

import http from 'node:http'
import { once } from 'node:events'
import { bodyOf, headersOf, parse, run, upload, readAll } from './contract.mjs'

const args = parse('h1')
const agent = new http.Agent({ keepAlive: true })
let connections = 0

async function send (number, signal) {
  const headers = headersOf(args, number)
  if (args.body > 0 && !args.stream) headers['content-length'] = args.body
  if (args.expect) headers.expect = '100-continue'
  const request = http.request(`http://${args.address}${args.path}`, {
    agent,
    method: args.method,
    headers,
    signal
  })
  request.once('socket', () => {
    if (!request.reusedSocket) connections++
  })
  const responded = once(request, 'response')
  const body = bodyOf(args, number)
  if (args.expect) {
    request.once('continue', () => request.end(body))
    request.flushHeaders()
  } else if (args.stream) {
    await upload(request, args, number)
  } else {
    request.end(body)
  }
  const [response] = await responded
  return { status: response.statusCode, body: await readAll(response), trailers: response.trailers }
}

await run(args, send, {
  version: `Node ${process.versions.node} http`,
  connections: () => connections
})

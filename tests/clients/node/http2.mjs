// Node's own http2.

import { parse, run } from './contract.mjs'
import { Client, VERSION } from './session.mjs'

const args = parse('h2')
const client = new Client(args)

await run(args, (number, signal) => client.send(number, signal), {
  version: VERSION,
  connections: () => client.connections
})

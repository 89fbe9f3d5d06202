// Node's own http2 in a process that has other work: before it reads a response, other workers make requests.

import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { parse, run } from './contract.mjs'
import { Client, VERSION } from './session.mjs'

/** How long the process works after each request, in milliseconds. */
const WORK = 50
/** By how many milliseconds each worker is later than the one before it: its timer ends while the process works. */
const STAGGER = 10

const args = parse('h2')
const client = new Client(args)

async function send (number, signal, worker) {
  await sleep(worker * STAGGER)
  const response = client.send(number, signal)
  // Node has written the request before it calls this.
  setImmediate(work)
  return response
}

function work () {
  const end = performance.now() + WORK
  while (performance.now() < end);
}

await run(args, send, { version: VERSION, connections: () => client.connections })

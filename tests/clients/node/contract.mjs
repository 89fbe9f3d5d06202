// The shared code of the Node clients: flags, workers and report.
//
// Nothing is retried: the library's own retries apply, and a request that rejects has failed.

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'

/** Larger bodies are sent in chunks: Node's HTTP/2 session refuses streams while 10 MB are buffered. */
export const CHUNK_SIZE = 64 * 1024

/** How many messages a call of the methods CLIENT and BIDI sends. */
export const MESSAGES = 4
/** The library is configured with windows and limits like an application's. */
export const TUNED = process.env.EVENKEEL_TUNED !== undefined

const METHODS = {
  h1: ['GET', 'POST', 'HEAD'],
  h2: ['GET', 'POST', 'HEAD'],
  grpc: ['UNARY', 'SERVER', 'CLIENT', 'BIDI'],
  ws: ['SEND']
}
const TEXTS = ['address', 'protocol', 'method', 'path']
const NUMBERS = ['requests', 'concurrency', 'body', 'response', 'burst', 'pause', 'cancel', 'timeout']
const SWITCHES = ['expect', 'trailers', 'stream']

/** Parses the flags of a program that speaks these protocols; exits if they are invalid. */
export function parse (...protocols) {
  const option = (type) => (name) => [name, { type }]
  const options = Object.fromEntries([
    ...[...TEXTS, ...NUMBERS].map(option('string')),
    ...SWITCHES.map(option('boolean'))
  ])
  try {
    const { values: args } = parseArgs({ options })
    for (const name of NUMBERS) {
      args[name] = /^\d+$/.test(args[name]) ? Number(args[name]) : undefined
    }
    const missing = [...TEXTS, ...NUMBERS].find((name) => args[name] === undefined)
    if (missing) throw new Error(`--${missing} is missing, or not a number`)
    if (!protocols.includes(args.protocol)) throw new Error(`--protocol must be one of ${protocols.join(', ')}`)
    const methods = METHODS[args.protocol]
    if (!methods.includes(args.method)) throw new Error(`--method must be one of ${methods.join(', ')}`)
    return args
  } catch (error) {
    console.error(error.message)
    process.exit(2)
  }
}

/** Exits because the library does not support the pattern. */
export function doesNotApply (why) {
  console.error(`this pattern does not apply: ${why}`)
  process.exit(3)
}

/** The version of an installed package, from its manifest, which not every package exports. */
export function versionOf (name) {
  const manifest = new URL(`node_modules/${name}/package.json`, import.meta.url)
  return JSON.parse(readFileSync(manifest, 'utf8')).version
}

/** The headers of a request. A server sends trailers only to a client with TE (RFC 9110, section 10.1.4). */
export function headersOf (args, number) {
  return { 'x-id': String(number), ...(args.trailers && { te: 'trailers' }) }
}

/** The body of a request, different for each, so that a response to another request is detected. */
export function bodyOf (args, number) {
  const text = `body of ${number} `
  return Buffer.from(text.repeat(Math.ceil(args.body / text.length)).slice(0, args.body))
}

/** Yields the chunks of a body. */
export function * chunksOf (body) {
  for (let start = 0; start < body.length; start += CHUNK_SIZE) yield body.subarray(start, start + CHUNK_SIZE)
}

/** Writes the body of a request: at once or, as a stream, after its headers. */
export async function upload (request, args, number) {
  const body = bodyOf(args, number)
  if (body.length === 0) {
    request.end()
    return
  }
  if (args.stream) {
    request.flushHeaders?.()
    await new Promise(setImmediate)
  }
  let start = 0
  for (; body.length - start > CHUNK_SIZE; start += CHUNK_SIZE) {
    if (!request.write(body.subarray(start, start + CHUNK_SIZE))) await once(request, 'drain')
  }
  request.end(body.subarray(start))
}

/** A WebSocket message, as long as a body. */
export function messageOf (args, number) {
  return Buffer.from(`${number}:${bodyOf(args, number)}`).subarray(0, args.body)
}

/** All bytes of a stream of chunks. */
export async function readAll (chunks) {
  const all = []
  for await (const chunk of chunks) all.push(chunk)
  return Buffer.concat(all)
}

/**
 * Calls `send(number, signal, worker)` once for every number of a request, in as many workers as asked for,
 * and prints the report. `send` resolves to `{ status, body, trailers }`, without what the library does not
 * show; when `signal` aborts, it has to cancel the request with the library's API. The report ends the
 * process: connections that are kept alive would keep it running.
 */
export async function run (args, send, { version, connections }) {
  const report = { version, sent: 0, ok: 0, failed: 0, cancelled: 0, hung: 0, errors: {} }
  let next = 0

  async function one (number, worker) {
    const cancel = args.cancel > 0 && number % 2 === 1
    const end = new AbortController()
    const timer = setTimeout(() => end.abort(), cancel ? args.cancel : args.timeout)
    const begun = performance.now()
    let wrong
    try {
      check(args, number, await unlessAborted(send(number, end.signal, worker), end.signal))
    } catch (error) {
      wrong = end.signal.aborted ? `no response within ${args.timeout} ms` : cause(error)
    }
    clearTimeout(timer)
    report.sent++
    if (performance.now() - begun >= args.timeout / 2) report.hung++
    if (cancel) {
      report.cancelled++
    } else if (wrong) {
      report.failed++
      report.errors[wrong] = (report.errors[wrong] ?? 0) + 1
    } else {
      report.ok++
    }
  }

  async function work (worker) {
    for (let own = 1; next < args.requests; own++) {
      await one(next++, worker)
      if (args.burst > 0 && own % args.burst === 0) await sleep(args.pause)
    }
  }

  await Promise.all(Array.from({ length: args.concurrency }, (_, worker) => work(worker)))
  console.log(JSON.stringify({ ...report, connections: connections() }))
  process.exit(0)
}

/** The response, or a rejection at the abort, however long the library takes to cancel the request. */
function unlessAborted (response, signal) {
  const aborted = new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
  return Promise.race([response, aborted])
}

/** Throws when the response is not the one to this request. */
function check (args, number, { status = 200, body, trailers }) {
  if (status !== 200) throw new Error(`status ${status}`)
  const length = args.method === 'HEAD' ? 0 : args.response
  if (body.length !== length) throw new Error(`a response of ${body.length} bytes instead of ${length}`)
  const content = contentOf(args, number)
  if (content && !body.equals(content)) throw new Error('another response than belongs to the request')
  if (args.trailers && trailers && trailers['x-trailer'] !== 'end') throw new Error('no trailer x-trailer: end')
}

/** The expected content of the response; undefined if only its length is known. */
function contentOf (args, number) {
  const body = bodyOf(args, number)
  switch (args.method) {
    case 'UNARY':
      return body
    case 'CLIENT':
    case 'BIDI':
      return Buffer.concat(Array(MESSAGES).fill(body))
    case 'SEND':
      return messageOf(args, number)
    case 'POST':
      if (args.path === '/echo') return body
      if (args.path === '/count') return Buffer.from(String(args.body).padStart(16, '0'))
  }
}

/** The error without addresses, so that equal ones are counted together. */
function cause (error) {
  const text = typeof error.code === 'string' ? `${error.code}: ${error.message}` : error.message
  return text.replaceAll(/\d+(\.\d+){3}:\d+/g, 'ADDRESS')
}

// Node's own http2: one session for all requests, replaced when it ends or receives a GOAWAY.

import http2 from 'node:http2'
import { once } from 'node:events'
import { headersOf, TUNED, upload, readAll } from './contract.mjs'

const OPTIONS = TUNED ? { settings: { enablePush: false, initialWindowSize: 1 << 20, maxHeaderListSize: 32 << 10 } } : {}

export const VERSION = `Node ${process.versions.node} http2`

export class Client {
  #args
  #session
  connections = 0

  constructor (args) {
    this.#args = args
  }

  async send (number, signal) {
    const args = this.#args
    const headers = { ':method': args.method, ':path': args.path, ...headersOf(args, number) }
    if (args.expect) headers.expect = '100-continue'
    const stream = this.#current().request(headers, { endStream: args.body === 0, signal })
    let trailers = {}
    stream.once('trailers', (received) => {
      trailers = received
    })
    const [[response]] = await Promise.all([once(stream, 'response'), this.#body(stream, number)])
    return { status: response[':status'], body: await readAll(stream), trailers }
  }

  async #body (stream, number) {
    if (this.#args.body === 0) return
    if (this.#args.expect) await once(stream, 'continue')
    await upload(stream, this.#args, number)
  }

  #current () {
    const session = this.#session
    if (session === undefined || session.closed || session.destroyed) this.#session = this.#open()
    return this.#session
  }

  #open () {
    const opened = http2.connect(`http://${this.#args.address}`, OPTIONS)
    const drop = () => {
      if (this.#session === opened) this.#session = undefined
    }
    opened.once('connect', () => this.connections++)
    opened.once('goaway', drop)
    opened.once('close', drop)
    // If a session fails, its streams and their requests fail, too.
    opened.on('error', drop)
    return opened
  }
}

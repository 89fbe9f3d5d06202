// TLS for a client that speaks HTTP/2 only over TLS: a port of this process that negotiates `h2` by ALPN (RFC 7301)
// and forwards the bytes to the plain address, like a layer 4 load balancer that terminates TLS.

import net from 'node:net'
import tls from 'node:tls'
import { once } from 'node:events'
import { generate } from 'selfsigned'

/** Starts a front of an address; resolves to its origin and its certificate. */
export async function startFront (address) {
  const names = [{ type: 2, value: 'localhost' }]
  const { private: key, cert } = await generate([{ name: 'commonName', value: 'localhost' }], {
    keyType: 'ec',
    extensions: [{ name: 'subjectAltName', altNames: names }]
  })
  const [host, port] = address.split(':')
  const front = tls.createServer({ key, cert, ALPNProtocols: ['h2'], noDelay: true }, (client) => {
    const server = net.connect({ host, port: Number(port), noDelay: true })
    client.pipe(server).pipe(client)
    // If one side closes, close the other.
    for (const [from, to] of [[client, server], [server, client]]) {
      from.on('error', () => to.destroy())
      from.on('close', () => to.destroy())
    }
  })
  front.listen(0, 'localhost')
  await once(front, 'listening')
  return { origin: `https://localhost:${front.address().port}`, certificate: cert }
}

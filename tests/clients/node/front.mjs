// TLS for a client that speaks HTTP/2 only over TLS: a port of this process that negotiates `h2` by ALPN (RFC 7301)
// and hands the bytes on to the plain address as they come, like a load balancer of layer 4 that ends TLS.

import net from 'node:net'
import tls from 'node:tls'
import { once } from 'node:events'
import { generate } from 'selfsigned'

/** Starts one before that address; resolves to its own origin and the certificate to trust. */
export async function frontBefore (address) {
  const names = [{ type: 2, value: 'localhost' }]
  const { private: key, cert } = await generate([{ name: 'commonName', value: 'localhost' }], {
    keyType: 'ec',
    extensions: [{ name: 'subjectAltName', altNames: names }]
  })
  const [host, port] = address.split(':')
  const front = tls.createServer({ key, cert, ALPNProtocols: ['h2'], noDelay: true }, (client) => {
    const server = net.connect({ host, port: Number(port), noDelay: true })
    client.pipe(server).pipe(client)
    // The end of one is the end of the other, however it ends.
    for (const [from, to] of [[client, server], [server, client]]) {
      from.on('error', () => to.destroy())
      from.on('close', () => to.destroy())
    }
  })
  front.listen(0, 'localhost')
  await once(front, 'listening')
  return { origin: `https://localhost:${front.address().port}`, certificate: cert }
}

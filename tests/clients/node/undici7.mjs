// undici 7.

import * as undici from 'undici7'
import { versionOf } from './contract.mjs'
import { main } from './undici.mjs'

await main(undici, {
  release: versionOf('undici7'),
  // Its Pool passes `connect` to the connector, but not `useH2c`.
  h2c: { allowH2: true, connect: { useH2c: true } },
  // It completes a response at the end of its body, before the trailers.
  showsH2Trailers: false
})

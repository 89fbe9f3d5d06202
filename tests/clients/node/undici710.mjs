// undici 7 before release 7.20, whose HTTP/2 has no window settings and needs TLS.

import * as undici from 'undici710'
import { versionOf } from './contract.mjs'
import { main } from './undici.mjs'

await main(undici, { release: versionOf('undici710'), showsH2Trailers: false })

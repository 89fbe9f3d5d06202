// undici 8.

import * as undici from 'undici8'
import { versionOf } from './contract.mjs'
import { main } from './undici.mjs'

await main(undici, { release: versionOf('undici8'), h2c: { useH2c: true }, showsH2Trailers: true })

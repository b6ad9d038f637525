import type { Bench } from './bench.js'
import type { TrafficNetwork } from './traffic.js'

/** The networks of one row; all go together. */
export class TrafficGroup {
  readonly #bench: Pick<Bench, 'traffic'>
  readonly #networks: TrafficNetwork[] = []

  constructor(bench: Pick<Bench, 'traffic'>) {
    this.#bench = bench
  }

  /** Makes a network and its rules. When the rules cannot be made, all networks go. */
  async open(makeRules: (network: TrafficNetwork) => Promise<void>): Promise<TrafficNetwork> {
    const network = await this.#bench.traffic()
    this.#networks.push(network)
    try {
      await makeRules(network)
      return network
    } catch (error) {
      await this.close()
      throw error
    }
  }

  /** Removes all networks. */
  async close(): Promise<void> {
    for (const network of this.#networks.splice(0)) await network.close()
  }
}

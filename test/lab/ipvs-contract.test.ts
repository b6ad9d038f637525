import { Ipvs } from '../../src/ipvs/client.js'
import { ipvsContract } from '../support/ipvs-contract.js'
import { makeNamespace } from '../support/namespace.js'

ipvsContract('the kernel', async () => {
  const namespace = await makeNamespace()
  return await Ipvs.open({ netns: namespace.path })
})

import type { ServiceNetwork } from './service-network.js'

/** Sends a datagram from the client's link to the node's, whatever its addresses are. */
const FRAME = `
import socket, struct, sys
node, source, destination, port = bytes.fromhex(sys.argv[1].replace(':', '')), *map(socket.inet_aton, sys.argv[2:4]), int(sys.argv[4])
udp = struct.pack('!HHHH', 5000, port, 13, 0) + b'frame'
head = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, source, destination)
total = sum(struct.unpack('!10H', head)); total = (total >> 16) + (total & 0xffff)
head = head[:10] + struct.pack('!H', ~(total + (total >> 16)) & 0xffff) + head[12:]
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind(('eth0', 0x800))
s.send(node + s.getsockname()[4] + b'\\x08\\x00' + head + udp)`

const LISTENER = `
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('0.0.0.0', int(sys.argv[1]))); print('listening', flush=True)
while True: print('heard', *s.recvfrom(99), flush=True)`

/** The port at which the node listens. */
const PORT = 7777

/** What comes from the client's link to the node, and what of it a process of the node hears. */
export interface LoopbackFrames {
  /** How many datagrams are heard of two from elsewhere: one to a loopback address, one that says it comes from one. */
  heard(): Promise<number>
  /** Sends one datagram from elsewhere. */
  send(source: string, destination: string, port?: number): Promise<void>
}

/** Listens at all addresses of the node, which asks no packet whether its source is on the right link. */
export async function listenForFrames(network: ServiceNetwork): Promise<LoopbackFrames> {
  await network.node.run('sh', ['-c', 'for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 >$f; done'])
  const listener = network.node.background('python3', ['-c', LISTENER, String(PORT)])
  await listener.waitFor('listening')
  const mac = (await network.node.run('cat', ['/sys/class/net/host0/address'])).trim()
  const send = async (source: string, destination: string, port = PORT): Promise<void> => {
    await network.client.run('python3', ['-c', FRAME, mac, source, destination, String(port)])
  }
  return {
    send,
    heard: async () => {
      const before = listener.output().split('heard').length
      await send('10.1.0.2', '127.0.0.1')
      await send('127.0.0.2', '10.1.0.1')
      // What comes after them has come through.
      await send('10.1.0.2', '10.1.0.1')
      await listener.waitFor(`('10.1.0.2', 5000)\n`)
      await new Promise((resolve) => setTimeout(resolve, 100))
      return listener.output().split('heard').length - before - 1
    }
  }
}

/**
 * A client of UDP that goes on sending from one port, so that its flow outlives what it leads to.
 */
import type { Background } from './run.js'
import type { ServiceNetwork } from './service-network.js'

/** Sends datagrams from one port ten times a second, and prints each answer, or that there was none. */
const SPEAKER = `
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('', 4000)); s.settimeout(0.2); s.connect((sys.argv[1], 53))
while True:
    try: s.send(b'x'); print(s.recv(100).decode(), flush=True)
    except OSError as e: print(type(e).__name__, flush=True)
    time.sleep(0.1)
`

/** Starts such a client of a network, which asks port 53 of an address. */
export const speakTo = ({ client }: ServiceNetwork, address: string): Background => client.background('python3', ['-c', SPEAKER, address])

/** What it printed last, of so many datagrams. */
export const newestAnswers = (speaker: Background, count: number): string[] => speaker.output().trim().split('\n').slice(-count)

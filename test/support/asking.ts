/**
 * How clients ask that never stop: the beginning of a program in Python, with arguments `protocol address port`.
 */

/** Defines `ask`, which opens a connection (tcp) or sends a datagram from a new port (udp), and again after a second as resolvers do; and `stop`, which is empty until the program is told to end. */
export const ASK = `
import signal, socket, sys, time
protocol, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
stop = []
signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
def ask():
    s = socket.socket(socket.AF_INET6 if ':' in address else socket.AF_INET, socket.SOCK_STREAM if protocol == 'tcp' else socket.SOCK_DGRAM)
    s.settimeout(30 if protocol == 'tcp' else 1)
    with s:
        s.connect((address, port))
        for tries in range(5):
            try:
                if protocol == 'udp': s.send(b'x')
                return s.recv(200)
            except TimeoutError:
                if protocol == 'tcp' or tries == 4: raise
`

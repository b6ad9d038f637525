/**
 * Connections that are kept, through a service at port 81.
 */

/** Answers each line with its name, for as long as the client keeps the connection. */
export const TALKER = `
import socket, sys, threading
name = sys.argv[1].encode() + b'\\n'
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(('', 81)); s.listen(64)
def talk(c):
    try:
        while c.recv(64): c.sendall(name)
    except OSError: pass
print('ready', flush=True)
while True: threading.Thread(target=talk, args=(s.accept()[0],), daemon=True).start()
`

/** Keeps connections, asks over each of them ten times a second, prints who answered, and ends them with a reset. */
export const KEEPER = `
import signal, socket, struct, sys, time
connections = [socket.create_connection((sys.argv[1], 81), 10) for _ in range(int(sys.argv[2]))]
for c in connections: c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)); c.settimeout(1)
stop = []
signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
count = 0
while not stop:
    answers = []
    for c in connections:
        try: c.sendall(b'x'); answers.append(c.recv(64).decode().strip())
        except OSError as e: answers.append(type(e).__name__)
    count += 1
    # One write, so that nobody reads half of it: print makes several where Python does not buffer.
    sys.stdout.write('round %d %s\\n' % (count, ' '.join(sorted(answers))))
    sys.stdout.flush()
    time.sleep(0.1)
for c in connections: c.close()
`

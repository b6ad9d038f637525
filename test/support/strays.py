# A TCP conversation of which one side sends a packet far outside of the window beside it, as a network that delays packets does.
#
#   strays.py serve PORT [stray]          takes one conversation
#   strays.py ask ADDRESS PORT [stray]    has one, and prints its end: the answer, or the name of the error
#
# The stray packet acknowledges what its sender has got, so that a reset in answer to it is one that its sender must believe.
import socket, struct, sys, time

TCP_REPAIR, TCP_REPAIR_QUEUE, TCP_QUEUE_SEQ = 19, 20, 21
ON, OFF, RECEIVED, SENT = 1, -1, 1, 2

def checksum(data):
    data += bytes(len(data) % 2)
    total = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    total = (total >> 16) + (total & 0xffff)
    return ~(total + (total >> 16)) & 0xffff

def numbers(s):
    s.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, ON)
    found = []
    for queue in (SENT, RECEIVED):
        s.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR_QUEUE, queue)
        found.append(s.getsockopt(socket.IPPROTO_TCP, TCP_QUEUE_SEQ) & 0xffffffff)
    s.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, OFF)
    # Which repair has taken away: the next server is to have the port at once.
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return found

def stray(s):
    sent, received = numbers(s)
    (source, first), (destination, second) = s.getsockname()[:2], s.getpeername()[:2]
    family = socket.AF_INET if '.' in source else socket.AF_INET6
    source, destination = source.replace('::ffff:', ''), destination.replace('::ffff:', '')
    segment = lambda sum: struct.pack('!HHIIBBHHH', first, second, (sent + 0x40000000) & 0xffffffff, received, 0x50, 0x10, 512, sum, 0) + b'stray'
    ends = socket.inet_pton(family, source) + socket.inet_pton(family, destination)
    length = len(segment(0))
    pseudo = ends + (struct.pack('!BBH', 0, 6, length) if family == socket.AF_INET else struct.pack('!IHBB', length, 0, 0, 6))
    with socket.socket(family, socket.SOCK_RAW, 6) as raw:
        raw.bind((source, 0))
        raw.sendto(segment(checksum(pseudo + segment(0))), (destination, 0))
    time.sleep(0.3)

def serve(port, sends):
    with socket.socket(socket.AF_INET6) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(('::', port)); s.listen()
        print('listening', flush=True)
        c, _ = s.accept()
        try:
            c.recv(100)
            if sends: stray(c)
            c.sendall(b'first')
            c.recv(100)
            c.sendall(b'whole')
        except OSError as e: print(type(e).__name__, flush=True)
        c.close()

def ask(address, port, sends):
    try:
        with socket.create_connection((address, port), 1) as s:
            s.sendall(b'hello'); s.recv(100)
            if sends: stray(s)
            s.sendall(b'again')
            print(s.recv(100).decode() or 'ended')
    except OSError as e: print(type(e).__name__)

sends = sys.argv[-1] == 'stray'
if sys.argv[1] == 'serve': serve(int(sys.argv[2]), sends)
else: ask(sys.argv[2], int(sys.argv[3]), sends)
